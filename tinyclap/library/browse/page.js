// The page of a sound library: what is asked stands in the address after #, so that "back" goes back.
import { LibraryMap } from "./map.js";

const FIRST = 20, MOST = 200;
const $ = (id) => document.getElementById(id);
const audio = $("audio"), list = $("hits");
let hits = [], count = FIRST, playing = null, asked = 0;

// ---- asking

async function ask(place, question) {
  const options = question && { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(question) };
  let answer;
  try {
    answer = await fetch(place, options);
  } catch {
    throw new Error("The library does not answer: is `tinyclap browse` still running?");
  }
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error);
  return content;
}

function complain(error) {
  $("fault").textContent = error ? error.message : "";
  $("fault").hidden = !error;
}

function inAddress() {
  return new URLSearchParams(location.hash.slice(1));
}

function go(question) {
  const hash = "#" + new URLSearchParams(question);
  count = FIRST;
  if (hash === location.hash) answerAddress();
  else location.hash = hash;
}

async function answerAddress() {
  const question = inAddress(), turn = ++asked;
  const like = question.get("like"), text = question.get("find") ?? "", without = question.get("without") ?? "";
  if (like === null && text) { $("text").value = text; $("without").value = without; }
  list.setAttribute("aria-busy", "true");
  try {
    const answer = like !== null ? await ask("api/similar", { id: like, n: count })
      : text ? await ask("api/find", { text, without, n: count }) : await ask("api/some", { n: FIRST });
    if (turn !== asked) return; // something else was asked meanwhile
    complain(null);
    const n = answer.hits.length, sounds = `${n} ${n === 1 ? "sound" : "sounds"}`;
    if (like !== null) show(answer, `Like ${answer.to}`, `${sounds}, the most alike first; the number is the cosine.`);
    else if (text) {
      const meaning = answer.hits.some((hit) => hit.score !== null) ? "the number is the cosine" : "found by their names alone";
      show(answer, `“${text}”${without ? ` but not “${without}”` : ""}`, `${sounds}, the best first; ${meaning}.`);
    }
    else show(answer, "A few of the sounds", "Drawn at random. Write what you look for, or choose a point of the map.", false);
  } catch (error) {
    if (turn !== asked) return;
    complain(error);
    show({ hits: [] }, "Sounds", "");
  } finally {
    if (turn === asked) list.removeAttribute("aria-busy");
  }
}

// ---- the list

function clock(seconds) {
  const whole = Math.floor(seconds), two = (n) => String(n).padStart(2, "0");
  const h = Math.floor(whole / 3600), m = Math.floor(whole / 60) % 60, s = two(whole % 60);
  return h ? `${h}:${two(m)}:${s}` : `${m}:${s}`;
}

function length(seconds) {
  return seconds < 60 ? `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s` : clock(seconds);
}

function isPart(hit) {
  return hit.start_s !== null && hit.end_s !== null && hit.duration_s !== null && hit.end_s - hit.start_s < hit.duration_s - 0.05;
}

function facts(hit) {
  const parts = [];
  if (hit.folder && hit.folder !== ".") parts.push(hit.folder);
  if (isPart(hit)) parts.push(`${clock(hit.start_s)}–${clock(hit.end_s)} of ${clock(hit.duration_s)}`);
  else if (hit.duration_s !== null) parts.push(length(hit.duration_s));
  if (hit.sample_rate) parts.push(`${hit.sample_rate / 1000} kHz`);
  if (hit.tags.length) parts.push(hit.tags.slice(0, 3).join(", "));
  if (hit.by === "both") parts.push("found by name");
  return parts.join(" · ").replaceAll(/(?<=\d) /g, "\u00a0");
}

function element(tag, attributes = {}, ...children) {
  const made = Object.assign(document.createElement(tag), attributes);
  made.append(...children);
  return made;
}

function entry(hit) {
  const dot = element("span", { className: `dot g${hit.group}` });
  dot.setAttribute("aria-hidden", "true");
  const play = element("button", { type: "button", className: "play", textContent: "▶" });
  play.setAttribute("aria-label", `Play ${hit.name}`);
  const similar = element("button", { type: "button", className: "similar", textContent: "Similar" });
  similar.setAttribute("aria-label", `Sounds similar to ${hit.name}`);
  const what = element("div", { className: "what" }, element("b", {}, dot, element("span", { textContent: hit.name })), element("small", { textContent: facts(hit) }));
  const score = element("span", { className: "score", textContent: hit.by === "name" ? "name" : hit.score === null ? "" : hit.score.toFixed(3).replace("-", "−") });
  score.setAttribute("aria-label", hit.by === "name" ? "found by name" : hit.score === null ? "" : `cosine ${hit.score.toFixed(3)}`);
  const item = element("li", {}, play, what, score, similar);
  item.dataset.id = hit.id;
  play.onclick = () => toggle(hit);
  similar.onclick = () => go({ like: hit.id });
  item.onpointerenter = () => map.point(hit.id);
  item.onpointerleave = () => map.point(null);
  return item;
}

function show(answer, title, status, isAnswer = true) {
  hits = answer.hits;
  $("title").textContent = title;
  $("status").textContent = status;
  list.replaceChildren(...hits.map(entry));
  $("more").hidden = !isAnswer || hits.length < count || count >= MOST;
  map.highlight(isAnswer ? hits : []);
  mark();
}

// ---- playing

function source(id, asWav) {
  return `sound/${id}${asWav ? ".wav" : ""}`;
}

function toggle(hit) {
  if (playing && playing.id === hit.id) {
    if (audio.ended) audio.currentTime = playing.start_s ?? 0;
    return audio.paused ? start() : audio.pause();
  }
  playing = { ...hit, asWav: false };
  load();
}

function load() {
  audio.src = source(playing.id, playing.asWav) + (playing.start_s > 0 ? `#t=${playing.start_s}` : "");
  $("playing").textContent = playing.name + (isPart(playing) ? ` at ${clock(playing.start_s)}` : "");
  $("player").hidden = false;
  document.body.classList.add("plays");
  start();
}

function start() {
  audio.play().catch((error) => {
    if (error.name === "NotAllowedError") complain(new Error("The browser asks for a click before it plays: press play again."));
  }); // other failures come as an error of the player
}

audio.onerror = async () => {
  if (!playing) return;
  if (!playing.asWav) { // this browser does not play the format: the server decodes it
    playing.asWav = true;
    load();
    return;
  }
  const { name, id } = playing;
  stop();
  const answer = await fetch(source(id, true), { headers: { Range: "bytes=0-0" } }).catch(() => null);
  const reason = answer && !answer.ok ? (await answer.json()).error : "its sound cannot be played";
  complain(new Error(`${name}: ${reason}`));
};

function stop() {
  playing = null;
  audio.pause();
  audio.removeAttribute("src");
  audio.load();
  $("player").hidden = true;
  document.body.classList.remove("plays");
  mark();
}

function mark() {
  for (const item of list.children) {
    const on = playing !== null && item.dataset.id === playing.id, sounds = on && !audio.paused;
    item.classList.toggle("on", on);
    const button = item.querySelector(".play"), name = item.querySelector("b").textContent;
    button.textContent = sounds ? "❚❚" : "▶";
    button.setAttribute("aria-label", `${sounds ? "Pause" : "Play"} ${name}`);
  }
  $("chosen-play").textContent = playing && map.chosen && playing.id === map.chosen.id && !audio.paused ? "Pause" : "Play";
  map.sounding(playing ? playing.id : null);
}
for (const event of ["play", "pause", "ended"]) audio.addEventListener(event, mark);

// ---- the map

const map = new LibraryMap($("map"), $("tip"), $("frame"), {
  chosen(point, byClick) {
    $("chosen").hidden = point === null;
    $("chosen-name").textContent = point ? point.name : "";
    if (point && byClick) toggle(point);
    mark();
  },
  hovered(id) {
    for (const item of list.children) item.classList.toggle("over", item.dataset.id === id);
  },
  similar: (point) => go({ like: point.id }),
});
$("nearer").onclick = () => map.zoom(1.6);
$("farther").onclick = () => map.zoom(1 / 1.6);
$("whole").onclick = () => map.whole();
$("chosen-play").onclick = () => map.chosen && toggle(map.chosen);
$("chosen-similar").onclick = () => map.chosen && go({ like: map.chosen.id });

function legend(names) {
  $("legend").replaceChildren(...(names.length > 1 ? names : []).map((name, group) => element("li", {}, element("span", { className: `dot g${group}` }), name)));
}

// ---- keys

function stepTo(item, part = ".play") {
  item?.querySelector(part).focus();
}

function down(item, isOutside) {
  if (item) stepTo(item.nextElementSibling);
  else if (isOutside) stepTo(list.firstElementChild);
  return item !== null || (isOutside && list.firstElementChild !== null);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const target = event.target, inInput = target.tagName === "INPUT", item = target.closest("#hits li");
  const act = {
    "/": () => !inInput && ($("text").focus(), $("text").select(), true),
    Escape: () => escape(),
    ArrowDown: () => down(item, inInput || target === document.body),
    ArrowUp: () => item && (item.previousElementSibling ? stepTo(item.previousElementSibling) : $("text").focus(), true),
    ArrowRight: () => item && (stepTo(item, ".similar"), true),
    ArrowLeft: () => item && (stepTo(item), true),
    " ": () => spaceBar(target, inInput),
  }[event.key];
  if (act && act()) event.preventDefault();
});

function escape() {
  if (playing) stop();
  else complain(null);
  $("text").focus();
  return true;
}

function spaceBar(target, inInput) {
  if (inInput || target === audio || (target.tagName === "BUTTON" && !target.matches(".similar"))) return false; // their own meaning
  const item = target.closest("#hits li");
  const hit = item && hits.find((one) => one.id === item.dataset.id);
  if (hit) toggle(hit);
  else if (target === $("map") && map.chosen) toggle(map.chosen);
  else if (playing) toggle(playing);
  else return false;
  return true;
}

// ---- start

$("search").onsubmit = (event) => {
  event.preventDefault();
  const text = $("text").value.trim(), without = $("without").value.trim();
  if (!text) return complain(new Error("Write some words that say which sound you look for."));
  go(without ? { find: text, without } : { find: text });
};
$("more").onclick = async () => {
  const next = hits.length;
  count = Math.min(MOST, count + FIRST);
  await answerAddress();
  stepTo(list.children[next]);
};
addEventListener("hashchange", () => { count = FIRST; answerAddress(); });

async function draw() {
  $("map-note").textContent = "The map is being drawn …";
  const points = await ask("api/map");
  map.load(points);
  legend(points.group_names);
  const whole = (n) => n.toLocaleString("en"), n = points.ids.length;
  const shown = n < points.of ? `${whole(n)} of ${whole(points.of)} sounds, drawn at random` : "Every sound is a point";
  const share = Math.round(100 * (points.explained[0] + points.explained[1]));
  const meaning = points.kind === "pca" ? `The plane in which they differ most, ${share} % of how they do.` : "Sounds that are alike lie side by side; wide distances mean little.";
  $("map-note").textContent = `${shown}. ${meaning} Wheel, pinch or +/− to zoom, drag to move; arrow keys go from point to point.`;
}

async function begin() {
  try {
    const about = await ask("api/library");
    $("name").textContent = about.name;
    const what = about.windows ? "windows of sounds" : "sounds";
    $("about").textContent = `${about.rows.toLocaleString("en")} ${what} in ${about.folder}` + (about.bundle ? `, embedded by ${about.bundle}` : "");
    document.title = `${about.name} – tinyclap`;
    await Promise.all([draw(), answerAddress()]);
    if (about.fault) complain(new Error(about.fault));
  } catch (error) {
    complain(error);
  }
  document.body.dataset.ready = "yes";
}
begin();
