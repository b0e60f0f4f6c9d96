// The page: what is pressed, dropped and typed, and what is shown of the answers. What hears is tinyclap.js.
import { Bundle, decode, microphone, Stream, TinyclapError } from "./tinyclap.js";

const HOP_S = 1, SHOWN = 6, FIXED = 7; // as many labels keep their order
const NOTHING = { label: "", probability: 0 }; // keeps the place of a bar
const LOWEST_DBFS = -70, MOST_HEARD = 200, SPEAK_MS = 2500;
const $ = (id) => document.getElementById(id);
let bundle, judge, turn = null, mic = null, spoken = "", spokenAt = -SPEAK_MS;
let heard = null; // the last file's embedding and level, to be judged by other labels

// ---- what is shown

function complain(error) {
  $("fault").textContent = !error ? "" : error instanceof TinyclapError ? error.message
    : `Something went wrong (${error.message}). Reload the page; if that does not help, the folder may be incomplete.`;
  $("fault").hidden = !error;
  if (error && !(error instanceof TinyclapError)) console.error(error);
}

const percent = (share) => `${Math.round(100 * share)} %`;
const nameOf = ({ outcome, predictions }) => (outcome === "label" ? predictions[0].label : outcome);

function headline(answer) {
  const { outcome, predictions: [best] } = answer;
  $("outcome").textContent = outcome === "label" ? best.label : outcome === "silence" ? "Silence" : "Unknown";
  $("sure").textContent = outcome === "silence" ? `quieter than ${judge.silenceDbfs} dB of full scale`
    : outcome === "unknown" ? best ? `nearest: ${best.label}` : "no label fits" : `${percent(best.probability)} among these labels`;
  bars(answer);
}

function bars({ predictions, outcome }) {
  const order = judge.table.labels, best = predictions[0];
  const shown = order.length > FIXED ? Array.from({ length: SHOWN }, (_, place) => predictions[place] ?? NOTHING)
    : order.map((label) => predictions.find((one) => one.label === label) ?? { label, probability: 0 });
  const rows = $("bars").children;
  while (rows.length > shown.length) rows[rows.length - 1].remove();
  while (rows.length < shown.length) {
    const row = document.createElement("li");
    row.append(document.createElement("i"), document.createElement("b"), document.createElement("span"));
    $("bars").append(row);
  }
  shown.forEach(({ label, probability }, place) => {
    const [bar, name, share] = rows[place].children;
    name.textContent = label;
    share.textContent = outcome === "silence" || !label ? "" : percent(probability);
    bar.style.width = `${100 * probability}%`;
    rows[place].ariaHidden = label ? null : "true";
    rows[place].classList.toggle("best", outcome === "label" && label === best.label);
  });
}

function level(dbfs) {
  $("level").style.width = `${100 * Math.min(1, Math.max(0, 1 - dbfs / LOWEST_DBFS))}%`;
}

/** Tell a screen reader what the microphone hears, but not every second. */
function speakSeldom(text) {
  if (text !== spoken && performance.now() - spokenAt >= SPEAK_MS) speak(text);
}

function speak(text) {
  [spoken, spokenAt] = [text, performance.now()];
  $("status").textContent = text;
}

function note(time, answer, atEnd) {
  const name = nameOf(answer), list = $("heard"), last = atEnd ? list.lastElementChild : list.firstElementChild;
  $("nothing").hidden = true;
  const share = answer.outcome === "label" ? answer.predictions[0].probability : 0;
  if (last?.dataset.name === name) { // it goes on
    if (share > Number(last.dataset.share)) [last.dataset.share, last.lastElementChild.textContent] = [share, percent(share)];
    return;
  }
  const row = document.createElement("li"), [when, what, how] = ["time", "b", "span"].map((tag) => document.createElement(tag));
  [row.dataset.name, row.dataset.share] = [name, share];
  [when.textContent, what.textContent, how.textContent] = [time, name, share ? percent(share) : ""];
  what.classList.toggle("quiet", answer.outcome !== "label");
  row.append(when, what, how);
  if (atEnd) list.append(row);
  else list.prepend(row);
  if (list.children.length > MOST_HEARD) list[atEnd ? "firstElementChild" : "lastElementChild"].remove();
}

function begin(source) {
  complain(null);
  $("source").textContent = source;
  $("heard").replaceChildren();
  $("nothing").hidden = false;
  $("sure").textContent = "\u00a0";
  spoken = "";
  empty();
}

/** The bars before an answer. */
function empty() {
  bars({ predictions: [], outcome: "silence" });
}

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

// ---- listening

async function stop() {
  turn = null;
  const open = mic;
  mic = null;
  $("listen").textContent = "Listen";
  level(LOWEST_DBFS);
  await open?.close();
}

async function listen() {
  await stop();
  begin("Waiting for the microphone");
  heard = null;
  $("outcome").textContent = "…";
  const mine = (turn = {}), stream = new Stream(bundle, judge, { hopS: HOP_S });
  let next = null, isBusy = false;
  const answerNext = async () => {
    if (isBusy) return; // what comes meanwhile replaces what waits: a slow device skips, and does not fall behind
    isBusy = true;
    while (next && turn === mine) {
      const window = next;
      [next, stream.judge] = [null, judge];
      const answer = await stream.answer(window);
      if (turn !== mine) break;
      headline(answer);
      speakSeldom(nameOf(answer));
      note(new Date().toLocaleTimeString(), answer, false);
    }
    isBusy = false;
  };
  $("listen").textContent = "Stop";
  try {
    const opened = await microphone((block, rate) => {
      if (turn !== mine) return;
      let power = 0;
      for (const sample of block) power += sample * sample;
      level(10 * Math.log10(power / block.length + 1e-18));
      for (const window of stream.take(block, rate)) next = window;
      answerNext().catch(fail);
    });
    if (turn !== mine) return void (await opened.close()); // stopped meanwhile
    mic = opened;
    $("source").textContent = "The microphone";
    if ($("outcome").textContent === "…") $("outcome").textContent = "Listening";
    await mic.ended;
    if (turn === mine) fail(new TinyclapError("The microphone was unplugged or taken away."));
  } catch (error) {
    if (turn === mine) fail(error instanceof TinyclapError ? new TinyclapError(`${error.message} Sound files can still be opened or dropped here.`) : error);
  }
}

function fail(error) {
  stop();
  idle();
  complain(error);
}

function idle() {
  $("outcome").textContent = "Ready";
  $("source").textContent = "\u00a0";
  $("sure").textContent = "Press Listen, or open a sound";
  if (judge) empty();
}

// ---- files

async function hear(file) {
  await stop();
  begin(file.name);
  $("outcome").textContent = "…";
  const mine = (turn = {});
  $("listen").textContent = "Stop";
  try {
    const { samples, sampleRate } = await decode(file);
    const { embedding, levelDbfs } = await bundle.embed(samples, sampleRate, {
      onWindow: async ({ startS, endS, lengthS, ...window }) => {
        const answer = judge.answer(window.embedding, window.levelDbfs);
        note(clock(startS), answer, true);
        level(window.levelDbfs);
        $("sure").textContent = `${clock(endS)} of ${clock(lengthS)}`;
        await new Promise((done) => setTimeout(done)); // so that the page stays alive
        return turn === mine;
      },
    });
    if (turn !== mine) return;
    const answer = judge.answer(embedding, levelDbfs);
    heard = { embedding, levelDbfs };
    await stop();
    headline(answer);
    speak(`${file.name}: ${nameOf(answer)}`);
  } catch (error) {
    if (turn === mine) fail(error);
  }
}

// ---- labels

const typed = () => $("labels").value.split(/[\n,]/).map((label) => label.trim()).filter(Boolean);

async function useLabels() {
  const labels = bundle.hasWords ? typed() : [], threshold = Number($("threshold").value) || null;
  if (labels.length || bundle.labels.length) {
    $("which").textContent = labels.length ? "Reading the words" : "";
    try {
      judge = await bundle.judge(labels.length ? labels : null, { topK: Math.max(FIXED, labels.length), threshold });
    } catch (error) {
      if (!(error instanceof TinyclapError)) throw error;
      $("which").textContent = error.message;
      return;
    }
    const count = judge.table.labels.length;
    $("which").textContent = labels.length ? `${count} ${count === 1 ? "label" : "labels"} of yours` : `${count} labels of its own`;
    $("own").hidden = !labels.length || !bundle.labels.length;
    remember({ labels: $("labels").value, threshold: $("threshold").value });
    if (heard && !turn) {
      const answer = judge.answer(heard.embedding, heard.levelDbfs);
      headline(answer);
      speak(nameOf(answer));
    } else if (!turn) empty();
  } else {
    $("which").textContent = "Say first which sounds to listen for.";
  }
  ready();
}

const MEMORY = `tinyclap ${new URL(".", location.href).pathname}`;

function remember(settings) {
  try {
    localStorage.setItem(MEMORY, JSON.stringify(settings));
  } catch { /* a browser that keeps nothing */ }
}

function recall() {
  try {
    const { labels = "", threshold = "" } = JSON.parse(localStorage.getItem(MEMORY) ?? "{}");
    [$("labels").value, $("threshold").value] = [labels, threshold];
  } catch { /* nothing, or another page's */ }
}

// ---- the page itself

function ready() {
  for (const id of ["listen", "open"]) $(id).disabled = !judge;
  if (judge && $("outcome").textContent.startsWith("Loading")) idle();
}

function wire() {
  $("listen").addEventListener("click", () => (turn ? stop().then(idle) : listen()));
  $("open").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => {
    const [file] = $("file").files;
    if (file) hear(file);
    $("file").value = ""; // so that the same file can be chosen again
  });
  $("form").addEventListener("submit", (event) => {
    event.preventDefault();
    useLabels().catch(complain);
  });
  $("threshold").addEventListener("change", () => useLabels().catch(complain));
  $("own").addEventListener("click", () => {
    $("labels").value = "";
    useLabels().catch(complain);
    $("labels").focus();
  });
  document.addEventListener("keydown", ({ key }) => { if (key === "Escape" && turn) stop().then(idle); });
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    document.body.classList.add("drops");
  });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("drops"); });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("drops");
    const [file] = event.dataTransfer.files;
    if (file && judge) hear(file);
  });
}

async function keep() {
  if (!("serviceWorker" in navigator) || !isSecureContext) return;
  try {
    await navigator.serviceWorker.register("sw.js");
    await navigator.serviceWorker.ready;
    $("offline").textContent = "Kept on this device: it works without a network.";
  } catch (error) {
    $("offline").textContent = `Not kept for use without a network (${error.message}).`;
  }
}

async function main() {
  recall();
  wire();
  bundle = await Bundle.load(undefined, { onProgress: (share) => { $("outcome").textContent = `Loading, ${percent(share)}`; } });
  const { licence, teacher, labels } = bundle.facts;
  $("words").hidden = $("use").hidden = !bundle.hasWords;
  $("unknown").hidden = !bundle.background;
  $("known").hidden = !labels.length;
  $("known-labels").textContent = labels.join(", ");
  $("about").textContent = `Learned from ${teacher.name}. Licence of its weights: ${licence}.`;
  await useLabels();
  if (!judge && bundle.labels.length) { // what was remembered does not do here
    [$("labels").value, $("threshold").value] = ["", ""];
    await useLabels();
  }
  document.body.dataset.ready = "yes";
  await keep();
}

main().catch((error) => {
  $("outcome").textContent = "Not here";
  complain(error);
});
