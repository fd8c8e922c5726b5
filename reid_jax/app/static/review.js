// The review: one photo, its candidates, one key.
import { ask, counted, el, get, percent, post, toast } from "./app.js";
import { drawBox } from "./box.js";
import { View } from "./view.js";

const byId = (id) => document.getElementById(id);
const view = new View(byId("stage"), [byId("asked-picture"), byId("other-picture")], byId("lines"));
const before = []; // ids that were shown, the last one at the end
const made = []; // what was decided here, {id, undo}, the last one at the end
const skipped = [];
let photo = null;
let chosen = 0;
let suggested = "";
let busy = false;
let looking = 0;

function bdi(text) {
  const found = el("bdi");
  found.textContent = text;
  return found;
}

const drawn = (box) => (box ? `?${box.map((n) => n.toFixed(4)).join("_")}` : "");
const large = (id, box) => `/pictures/large/${id}${drawn(box)}`;

function show(found) {
  photo = found;
  byId("work").hidden = !photo;
  byId("empty").hidden = Boolean(photo);
  if (!photo) return;
  chosen = 0;
  view.reset();
  byId("asked-picture").src = large(photo.id, photo.box);
  byId("asked-words").replaceChildren(bdi(photo.name), photo.taken ? ` · ${photo.taken.slice(0, 10)}` : "");
  byId("verdict").textContent = verdict(photo);
  byId("candidates").replaceChildren(...photo.candidates.map(candidate));
  for (const each of photo.candidates) new Image().src = large(each.photo);
  byId("other").hidden = !photo.candidates.length;
  look(0);
}

function verdict({ answer, decision, candidates, state }) {
  if (state === "readable") return "Being compared anew …";
  if (decision) return `${decision.who} said: ${decision.kind === "is" ? decision.name : decision.kind}`;
  if (answer?.verdict === "unlike" || !candidates.length) return "Unlike all photos that the network knows";
  if (answer?.verdict === "unknown") return "Probably nobody of the gallery";
  if (answer?.verdict === "close") return "Too close to call";
  return "";
}

function candidate(each, place) {
  const facts = [counted(each.photos, "photo"), each.points == null ? "" : counted(each.points, "point"), each.date];
  const bar = each.probability == null ? el("span", { class: "facts" }, `similarity ${each.score.toFixed(2)}`)
    : el("span", { class: "chance" }, el("progress", { max: 1, value: each.probability, "aria-label": "how likely" }), percent(each.probability));
  return el("li", {}, el("button", {
    type: "button", class: "card candidate", "aria-pressed": "false",
    onclick: () => (chosen === place ? decide("is", each.name) : look(place)),
  }, el("img", { src: `/pictures/small/${each.photo}`, alt: "" }), el("kbd", {}, String(place + 1)),
  el("span", {}, el("b", { title: each.name }, bdi(each.name)), bar, el("span", { class: "facts" }, ...facts.filter(Boolean).flatMap((fact, n) => [n ? " · " : "", el("span", { class: "day" }, fact)])))));
}

function look(place) {
  const each = photo?.candidates[place];
  if (!each) return view.show([]);
  chosen = place;
  byId("other-picture").src = large(each.photo);
  byId("other-picture").alt = `A photo of ${each.name}`;
  const points = each.points ? ` · ${counted(each.points, "point")} agree` : "";
  byId("other-words").replaceChildren(bdi(each.name), each.date ? ` · ${each.date}` : "", points);
  for (const [n, item] of [...byId("candidates").children].entries()) {
    item.firstChild.setAttribute("aria-pressed", String(n === place));
    if (n === place) item.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  view.show(each.agreement);
}

function count(left) {
  byId("left").textContent = left ? `${left.toLocaleString("en")} to decide` : "";
  for (const badge of document.querySelectorAll("[data-count=review]")) badge.textContent = left;
}

async function again(id) {
  clearTimeout(looking);
  const found = await get(`/v1/review/${id}`);
  count(found.left);
  show(found.photo);
  if (photo?.state === "readable") looking = setTimeout(() => photo?.id === id && guarded(() => again(id)), 700);
}

async function next(without = []) {
  clearTimeout(looking);
  const found = await get(`/v1/review/next?without=${[...skipped, ...without].slice(-100).join(",")}`);
  suggested = found.suggested;
  count(found.left);
  if (!found.photo && skipped.length) {
    skipped.length = 0;
    if (found.left) return next(without);
  }
  show(found.photo);
  if (!found.photo) rest(found);
}

function rest(found) {
  byId("verdict").textContent = "";
  byId("empty-title").textContent = found.waiting ? "Photos are being compared" : found.left ? "Others look at what is left" : "All photos are decided";
  byId("empty-words").textContent = found.waiting ? `${counted(found.waiting, "photo")} still to compare; the first appears by itself.` : "What you drop in the inbox comes here, the least certain first.";
  byId("undo-last").hidden = !made.length;
  looking = setTimeout(() => guarded(next), found.waiting ? 1500 : 5000);
}

async function guarded(act) {
  if (busy) return;
  busy = true;
  try {
    await act();
  } catch (error) {
    byId("said").textContent = error.message;
  }
  busy = false;
}

async function decide(kind, name = "", fresh = false) {
  const now = photo;
  if (!now) return;
  await guarded(async () => {
    try {
      await post(`/v1/review/${now.id}`, { kind, name, new: fresh });
    } catch (error) {
      if (error.status === 409) {
        toast(error.message);
        return next([now.id]);
      }
      throw error;
    }
    made.push({ id: now.id, undo: `/v1/review/${now.id}` });
    before.push(now.id);
    byId("said").replaceChildren(bdi(now.name), ": ", kind === "is" ? bdi(name) : kind);
    await next([now.id]);
  });
}

async function undo() {
  const last = made.at(-1);
  if (!last) return toast("You have decided nothing here yet.");
  await guarded(async () => {
    const back = await post(last.undo, null, "DELETE");
    made.pop();
    byId("said").replaceChildren("Taken back: ", bdi(back.name ?? "the box"));
    await again(last.id);
  });
}

// A box on the photo, which is compared anew; or one on another animal, which is decided on later.
async function box(another) {
  const now = photo;
  if (!now || busy) return;
  view.reset();
  view.show([]);
  byId("tools").hidden = true;
  const found = await drawBox(byId("asked"), byId("asked-picture"), `/pictures/whole/${now.id}`, another ? null : now.box);
  byId("tools").hidden = false;
  if (!found) return look(chosen);
  await guarded(async () => {
    try {
      const { id } = await post(`/v1/review/${now.id}/box`, { box: found, another });
      made.push({ id: now.id, undo: another ? `/v1/photos/${id}` : `/v1/review/${now.id}/box` });
      byId("said").replaceChildren(another ? "One more to decide on: another animal on " : "A box was drawn on ", bdi(now.name));
    } finally {
      await again(now.id);
    }
  });
}

async function fresh() {
  if (!photo) return;
  const name = await ask({ title: "A new individual", text: "Its name; you can change it later.", value: suggested, yes: "That is its name" });
  if (name) decide("is", name, true);
}

async function somebody() {
  if (!photo) return;
  const among = get("/v1/individuals").then((found) => found.individuals.map((each) => each.name));
  const name = await ask({ title: "Somebody else", text: "Begin to write the name.", value: "", yes: "It is this one", among });
  if (name) decide("is", name);
}

function other(step) {
  if (!photo) return;
  guarded(async () => {
    if (step > 0) {
      skipped.push(photo.id);
      before.push(photo.id);
      await next();
    } else if (before.length) await again(before.pop());
  });
}

const keys = {
  n: fresh,
  s: somebody,
  x: () => decide("not an animal"),
  u: () => decide("cannot tell"),
  z: undo,
  l: () => {
    view.lines = !view.lines;
    view.draw();
  },
  r: () => view.turn(),
  "+": () => view.zoom(1.4),
  "=": () => view.zoom(1.4),
  "-": () => view.zoom(1 / 1.4),
  0: () => view.reset(),
  b: () => box(false),
  a: () => box(true),
  "?": () => byId("keys").showModal(),
  ArrowLeft: () => look(Math.max(chosen - 1, 0)),
  ArrowRight: () => look(Math.min(chosen + 1, (photo?.candidates.length ?? 1) - 1)),
  ArrowUp: () => other(-1),
  ArrowDown: () => other(1),
  Enter: () => photo?.candidates[chosen] && decide("is", photo.candidates[chosen].name),
};
for (let n = 1; n <= 5; n += 1) {
  keys[n] = () => photo?.candidates[n - 1] && decide("is", photo.candidates[n - 1].name);
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input, select, textarea") || document.querySelector("dialog[open]");
  if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Enter" && event.target.matches("button, a")) return;
  const act = keys[event.key] ?? keys[event.key.toLowerCase()];
  if (!act) return;
  event.preventDefault();
  act();
});

for (const [id, act] of [["new", fresh], ["somebody", somebody], ["nothing", keys.x], ["unsure", keys.u], ["undo", undo], ["undo-last", undo], ["help", keys["?"]],
  ["box", keys.b], ["another", keys.a], ["turn", keys.r], ["closer", keys["+"]], ["farther", keys["-"]]]) {
  byId(id).addEventListener("click", () => act());
}
setInterval(() => photo && get(`/v1/review/${photo.id}`).catch(() => {}), 60000); // keeps it ours

guarded(next);
