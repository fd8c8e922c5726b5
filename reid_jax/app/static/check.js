// Names to check: two photos at a time, whether they are of one, by keys.
import { counted, el, get, percent, post, toast } from "./app.js";
import { View } from "./view.js";

const byId = (id) => document.getElementById(id);
const view = new View(byId("stage"), [byId("one-picture"), byId("other-picture")], null);
const made = []; // numbers of decisions, the last one at the end
const skipped = new Set();
let doubt = null;
let position = 0;
let busy = false;
let current = Promise.resolve();
let timer = 0;

const key = (each) => `${each.kind} ${each.photo} ${each.other}`;

function bdi(text) {
  const found = el("bdi");
  found.textContent = text;
  return found;
}

function show(found) {
  doubt = found;
  byId("work").hidden = !doubt;
  byId("empty").hidden = Boolean(doubt);
  if (!doubt) {
    byId("verdict").textContent = "";
    return byId("question").replaceChildren("Names to check");
  }
  const { kind, name, other_name, photos, other_photos, dates } = doubt;
  const merge = kind === "merge";
  view.reset();
  byId("question").replaceChildren(...(merge ? ["Are ", bdi(name), " and ", bdi(other_name), " one?"] : ["Is this ", bdi(other_name), " and not ", bdi(name), "?"]));
  byId("verdict").textContent = doubt.chance == null ? "" : `${percent(doubt.chance)} likely`;
  for (const [side, who, number, date, photo] of [["one", name, photos, dates[0], doubt.photo], ["other", other_name, other_photos, dates[1], doubt.other]]) {
    byId(`${side}-picture`).src = `/pictures/large/${photo}`;
    byId(`${side}-picture`).alt = `A photo of ${who}`;
    byId(`${side}-words`).replaceChildren(bdi(who), ` · ${counted(number, "photo")}`, date ? ` · ${date}` : "");
  }
  byId("yes-words").replaceChildren(...(merge ? ["One individual"] : ["It is ", bdi(other_name)]));
  byId("no-words").replaceChildren(...(merge ? ["Two individuals"] : ["It is ", bdi(name)]));
  byId("nothing").hidden = merge;
}

async function look(again = false) {
  clearTimeout(timer);
  const found = await get(`/v1/doubts${again ? "?again=1" : ""}`);
  position = found.position;
  const open = found.doubts.filter((each) => !skipped.has(key(each)));
  byId("left").textContent = open.length ? `${open.length.toLocaleString("en")} to check` : "";
  const same = doubt && open.find((each) => key(each) === key(doubt));
  if (!same) show(open[0] ?? null);
  if (!doubt) rest(found);
  if (found.looking) timer = setTimeout(() => guarded(look), 1500);
}

function rest(found) {
  byId("looking").hidden = !found.looking;
  byId("again").hidden = found.looking;
  byId("undo-last").hidden = !made.length;
  const words = found.trouble || (found.why ? `Nothing is said of individuals that look like one: ${found.why}.` : "No two individuals look like one, and the nearest photos of each photo have its name.");
  byId("empty-title").textContent = found.looking ? "Photos are being compared" : skipped.size ? "The others were put off" : "Nothing to check";
  byId("empty-words").textContent = found.looking ? "Each one with all the others; the first appears by itself." : words;
}

// One act at a time. A key that comes too early is of a pair that nobody has seen: only what waits
// is done after it.
function guarded(act, waits = false) {
  if (busy && !waits) return current;
  const before = current;
  busy = true;
  current = (async () => {
    await before;
    busy = true;
    try {
      await act();
    } catch (error) {
      toast(error.message);
      if (error.status === 409) await look().catch(() => {});
    }
    busy = false;
  })();
  return current;
}

function decide(act, body, ...words) {
  return guarded(async () => {
    const { number } = await post(`/v1/gallery/${act}`, { ...body, rests_on: position });
    made.push(number);
    byId("said").replaceChildren(...words);
    doubt = null;
    await look();
  });
}

function yes() {
  if (!doubt) return;
  const { kind, name, other_name, photos, other_photos, photo } = doubt;
  if (kind === "photo") return decide("confirm", { photo, name: other_name }, "Moved to ", bdi(other_name));
  const [into, gone] = photos >= other_photos ? [name, other_name] : [other_name, name];
  return decide("merge", { names: [gone], into }, bdi(gone), " is ", bdi(into), " now");
}

function no() {
  if (!doubt) return;
  const { kind, name, other_name, photo, other } = doubt;
  if (kind === "photo") return decide("confirm", { photo, name }, "It stays ", bdi(name));
  return decide("link", { photo, other, what: "different" }, bdi(name), " and ", bdi(other_name), " are two");
}

function nothing() {
  if (doubt?.kind === "photo") decide("mark", { photos: [doubt.photo], what: "not an animal" }, "Not an animal");
}

function later() {
  if (!doubt) return;
  skipped.add(key(doubt));
  doubt = null;
  guarded(look);
}

function undo() {
  return guarded(async () => {
    const number = made.at(-1);
    if (number == null) return toast("You have decided nothing here yet.");
    await post("/v1/gallery/undo", { number });
    made.pop();
    byId("said").textContent = "Taken back";
    doubt = null;
    await look();
  }, true);
}

const keys = {
  y: yes, 1: yes, d: no, 2: no, x: nothing, z: undo, ArrowDown: later,
  r: () => view.turn(), "+": () => view.zoom(1.4), "=": () => view.zoom(1.4), "-": () => view.zoom(1 / 1.4), 0: () => view.reset(),
};

document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, select, textarea") || document.querySelector("dialog[open]")) return;
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const act = keys[event.key] ?? keys[event.key.toLowerCase()];
  if (!act) return;
  event.preventDefault();
  act();
});

for (const [id, act] of [["yes", yes], ["no", no], ["nothing", nothing], ["later", later], ["undo", undo], ["undo-last", undo],
  ["turn", keys.r], ["closer", keys["+"]], ["farther", keys["-"]], ["again", () => {
    skipped.clear();
    guarded(() => look(true));
  }]]) byId(id).addEventListener("click", act);

guarded(look);
