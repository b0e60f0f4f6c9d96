"""The server of a library's page, asked by what no browser is and by what means harm."""

import io
import socket
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.library.browse.client import Client
from tests.library.browse.conftest import ids_of, made, serving
from tests.support.sounds import noise, write
from tests.support.tiny_bundles import tiny_bundle
from tinyclap.library.library import Library

PAGES = ["", "page.css", "page.js", "map.js", "icon.svg"]


@pytest.mark.parametrize("place", PAGES)
def test_the_page_needs_nothing_from_elsewhere(client: Client, place: str) -> None:
    status, headers, body = client.send("GET", place)
    assert (status, int(headers["Content-Length"])) == (200, len(body))
    assert b"http://" not in body.replace(b"http://www.w3.org/2000/svg", b"")
    assert b"https://" not in body
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "*" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_the_library_says_what_it_is(client: Client) -> None:
    status, about = client.json("GET", "api/library")
    assert (status, about["name"], about["rows"], about["windows"], about["fault"]) == (200, "library", 9, False, None)


def test_the_map_shows_every_sound_in_the_colour_of_its_folder(client: Client, library: Path) -> None:
    points = client.json("GET", "api/map")[1]
    assert points["group_names"] == ["drums", "birds", "rain"]
    assert [points["names"][i] for i, group in enumerate(points["groups"]) if group == 2] == [
        "rain/long/forest.flac",
        "rain/long/roof.wav",
    ]
    assert len(set(zip(points["x"], points["y"], strict=True))) == 9
    with Library.open(library) as known:
        assert points["ids"] == [f"0-{hit.row}" for hit in known.rows()]
        plane = known.embeddings()
    with serving(library, map_kind="pca") as other:
        points = other.json("GET", "api/map")[1]
    centred = plane - plane.mean(axis=0)
    singular = np.linalg.svd(centred, compute_uv=False)
    np.testing.assert_allclose(np.square(points["x"]).sum(), singular[0] ** 2, rtol=2e-3)
    np.testing.assert_allclose(points["explained"], (singular**2 / (singular**2).sum())[:2], atol=1e-3)


def test_words_find_what_the_library_finds(client: Client, library: Path) -> None:
    with Library.open(library) as known:
        for text, without in (("dog", None), ("rain", "dog"), ("  rain \n siren", None), ("kick 04", None)):
            hits = known.find(" ".join(text.split()), n=5, without=without)
            question = {"text": text, "n": 5, **({} if without is None else {"without": without})}
            status, answer = client.json("POST", "api/find", question)
            assert status == 200
            assert [hit["id"] for hit in answer["hits"]] == [f"0-{hit.row}" for hit in hits]
            scores = np.array([hit["score"] for hit in answer["hits"]], float)  # None becomes nan
            own = [float("nan") if hit.by == "name" else hit.score for hit in hits]
            np.testing.assert_allclose(scores, own, atol=1e-6)
    assert answer["hits"][0]["name"] == "kick_04.wav"
    assert answer["hits"][0]["folder"] == "drums"
    assert answer["hits"][0]["by"] == "name"  # the bundle knows neither word


def test_unknown_words_are_said(client: Client) -> None:
    status, answer = client.json("POST", "api/find", {"text": "zorblax"})
    assert status == 400
    assert "zorblax" in answer["error"]


def test_similar_sounds_leave_the_sound_itself_out(client: Client, library: Path, ids: dict[str, str]) -> None:
    id = ids["birds/wren.wav"]
    status, answer = client.json("POST", "api/similar", {"id": id, "n": 200})
    assert (status, answer["to"], len(answer["hits"])) == (200, "birds/wren.wav", 8)
    with Library.open(library) as known:
        assert [hit["id"] for hit in answer["hits"]] == [
            f"0-{hit.row}" for hit in known.similar(int(id.split("-")[1]), n=200)
        ]
    points = client.json("GET", "api/map")[1]
    places = dict(zip(points["ids"], zip(points["x"], points["y"], strict=True), strict=True))
    for hit in answer["hits"]:
        assert (hit["x"], hit["y"]) == pytest.approx(places[hit["id"]], abs=1e-3)


def test_a_few_sounds_to_begin_with(client: Client) -> None:
    hits = client.json("POST", "api/some", {"n": 4})[1]["hits"]
    assert len({hit["id"] for hit in hits}) == 4
    assert {hit["score"] for hit in hits} == {None}


def test_windows_say_where_and_a_bundle_without_words_says_so(windowed: Path) -> None:
    with serving(windowed) as client:
        about = client.json("GET", "api/library")[1]
        assert about["windows"]
        assert about["rows"] > 9
        status, answer = client.json("POST", "api/find", {"text": "dog"})
        assert status == 400
        assert "has no words" in answer["error"]
        assert any(start > 0 for start in client.json("GET", "api/map")[1]["starts"])
        some = client.json("POST", "api/some", {"n": 200})[1]["hits"]
        assert all(hit["end_s"] <= hit["duration_s"] + 1 for hit in some)
        assert len({hit["start_s"] for hit in some if hit["name"] == "roof.wav"}) > 3


def test_an_empty_library_has_an_empty_map(tmp_path: Path) -> None:
    tiny_bundle(tmp_path / "bundle", text=True)
    Library.create(tmp_path / "library", tmp_path / "bundle").close()
    with serving(tmp_path / "library") as client:
        points = client.json("GET", "api/map")[1]
        assert (points["ids"], points["x"], points["of"]) == ([], [], 0)
        assert client.json("POST", "api/find", {"text": "dog"}) == (200, {"hits": []})
        assert client.json("POST", "api/some", {}) == (200, {"hits": []})
        assert client.json("GET", "sound/0-0")[0] == 404


# ---- sounds


def test_a_sound_comes_whole_and_in_parts(client: Client, sounds: Path, ids: dict[str, str]) -> None:
    place, content = f"sound/{ids['drums/kick_04.wav']}", (sounds / "drums/kick_04.wav").read_bytes()
    status, headers, body = client.send("GET", place)
    assert (status, headers["Content-Type"], headers["Accept-Ranges"]) == (200, "audio/wav", "bytes")
    assert body == content
    status, headers, body = client.send("GET", place, Range="bytes=1000-1999")
    assert (status, headers["Content-Range"]) == (206, f"bytes 1000-1999/{len(content)}")
    assert body == content[1000:2000]
    assert client.send("GET", place, Range="bytes=-10")[2] == content[-10:]
    status, headers, body = client.send("GET", place, Range=f"bytes={len(content)}-")
    assert (status, headers["Content-Range"], body) == (416, f"bytes */{len(content)}", b"")
    status, headers, body = client.send("HEAD", place, Range="bytes=0-9")
    assert (status, headers["Content-Length"], body) == (206, "10", b"")


def test_a_part_is_of_the_file_that_the_player_holds(client: Client, ids: dict[str, str]) -> None:
    place = f"sound/{ids['drums/kick_04.wav']}"
    tag = client.send("HEAD", place)[1]["ETag"]
    assert client.send("GET", place, Range="bytes=0-9", If_Range=tag)[0] == 206
    assert client.send("GET", place, Range="bytes=0-9", If_Range='"other"')[0] == 200


@pytest.mark.parametrize("name", ["drums/tom.aiff", "drums/snare.wav"])
def test_what_a_browser_does_not_play_is_decoded(client: Client, sounds: Path, ids: dict[str, str], name: str) -> None:
    _, headers, body = client.send("GET", f"sound/{ids[name]}")
    assert headers["Content-Type"] == "audio/wav"
    decoded, known = soundfile.read(io.BytesIO(body))[0], soundfile.read(sounds / name)[0]
    np.testing.assert_allclose(decoded, known, atol=1 / 32768)
    assert client.send("GET", f"sound/{ids[name]}", Range="bytes=5001-9000")[2] == body[5001:9001]
    assert client.send("GET", f"sound/{ids['birds/robin.ogg']}.wav")[1]["Content-Type"] == "audio/wav"


def test_a_sound_that_is_gone_or_is_none_any_more_is_said(tmp_path: Path) -> None:
    (tmp_path / "sounds").mkdir(exist_ok=True)
    for seed, name in enumerate(("one.wav", "two.wav", "three.wav")):
        write(tmp_path / "sounds" / name, noise(0.5, 60 + seed))
    library = made(tmp_path, tmp_path / "sounds", text=True)
    with serving(library) as client:
        ids = ids_of(client)
        (tmp_path / "sounds/one.wav").unlink()
        (tmp_path / "sounds/two.wav").unlink()
        secret = tmp_path / "secret"
        secret.write_text("password")
        (tmp_path / "sounds/two.wav").symlink_to(secret)
        for name, status in (("one.wav", 404), ("two.wav", 415)):
            for suffix in ("", ".wav"):
                answer = client.json("GET", f"sound/{ids[name]}{suffix}")
                assert answer[0] == status
                assert name in answer[1]["error"]
        assert client.send("GET", f"sound/{ids['three.wav']}")[0] == 200
        with Library.open(library) as other:  # another process notices
            other.add([tmp_path / "sounds"], workers=1, progress=False)
        assert client.json("GET", f"sound/{ids['one.wav']}")[0] == 404
        assert client.json("POST", "api/similar", {"id": ids["one.wav"]})[0] == 400
        assert client.json("GET", "api/map")[1]["names"] == ["three.wav"]


def test_one_connection_serves_many_requests_and_several_at_once(client: Client, ids: dict[str, str]) -> None:
    host = f"Host: 127.0.0.1:{client.address.port}\r\n".encode()
    many = b"GET /api/library HTTP/1.1\r\n" + host + b"\r\n"
    assert client.raw(many * 5).count(b"HTTP/1.1 200 OK") == 5
    found: list[int] = []

    def ask(id: str) -> None:
        found.append(client.json("POST", "api/similar", {"id": id})[0])
        found.append(client.send("GET", f"sound/{id}.wav")[0])

    threads = [threading.Thread(target=ask, args=(id,)) for id in ids.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [200] * 18


def test_a_player_that_hangs_up_is_no_error(
    client: Client, ids: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_connection(("127.0.0.1", client.address.port)) as connection:
        place = f"sound/{ids['rain/long/roof.wav']}.wav"
        connection.sendall(f"GET /{place} HTTP/1.1\r\nHost: localhost:{client.address.port}\r\n\r\n".encode())
        connection.recv(100)
    assert client.json("GET", "api/library")[0] == 200
    assert capfd.readouterr().err == ""
