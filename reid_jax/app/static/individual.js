// One individual: its name, notes, photos and history; each change is a decision of the gallery.
import { askBox } from "./box.js";
import { ask, counted, el, get, post, toast } from "./app.js";

const byId = (id) => document.getElementById(id);
const main = byId("main");
const { name } = main.dataset;
const rests = Number(main.dataset.position);
const boxes = [...document.querySelectorAll(".photos input")];
const chosen = () => boxes.filter((box) => box.checked).map((box) => box.value);
const others = () => get("/v1/individuals").then((found) => found.individuals.map((each) => each.name).filter((each) => each !== name));
const show = (other) => location.assign(other ? `/individual?name=${encodeURIComponent(other)}` : "/individuals");

async function decide(act, body) {
  try {
    await post(`/v1/gallery/${act}`, { ...body, rests_on: rests });
    return true;
  } catch (error) {
    toast(error.message);
    return false;
  }
}

function pressed(id, act) {
  byId(id).addEventListener("click", act);
}

pressed("rename", async () => {
  const fresh = await ask({ title: `Rename ${name}`, value: name, yes: "Rename" });
  if (fresh && fresh !== name && (await decide("rename", { name, new_name: fresh }))) show(fresh);
});

pressed("merge", async () => {
  const text = `All photos of ${name} become those of the other one.`;
  const into = await ask({ title: "Merge with another", text, value: "", yes: "Merge", among: others() });
  if (into && (await decide("merge", { names: [name], into }))) show(into);
});

pressed("note", async () => {
  const text = await ask({ title: `A note on ${name}`, value: byId("noted").textContent, yes: "Keep" });
  if (text !== null && (await decide("note", { name, text }))) location.reload();
});

pressed("split", async () => {
  const title = `A new individual of ${counted(chosen().length, "photo")}`;
  const fresh = await ask({ title, text: "Its name; you can change it later.", value: "", yes: "That is its name" });
  if (fresh && (await decide("split", { name, photos: chosen(), new_name: fresh }))) show(fresh);
});

pressed("move", async () => {
  const title = `Move ${counted(chosen().length, "photo")}`;
  const other = await ask({ title, text: "To whom?", value: "", yes: "Move", among: others() });
  if (other && (await decide("move", { photos: chosen(), name: other }))) show(other);
});

pressed("mark", async () => {
  if (await decide("mark", { photos: chosen(), what: "not an animal" })) {
    if (chosen().length === boxes.length) show();
    else location.reload();
  }
});

async function draw(another) {
  const [photo] = chosen();
  const { box, whole } = await askBox(photo, another ? `Where is ${another}?` : "Where is the animal?");
  if (!box && !whole) return;
  toast("The part is embedded …");
  if (await decide("box", { photo, box, ...(another && { another, new: !(await others()).concat(name).includes(another) }) })) location.reload();
}

pressed("box", () => draw("").catch((error) => toast(error.message)));
pressed("another", async () => {
  const text = "Its name; one that nobody has makes a new individual.";
  const other = await ask({ title: "Who is the other one?", text, value: "", yes: "Draw its box", among: others() });
  if (other) draw(other).catch((error) => toast(error.message));
});

pressed("sex", async () => {
  const sexes = Promise.resolve(["female", "male"]);
  const value = await ask({ title: `Sex of ${name}`, text: "Leave it empty where nobody knows.", value: byId("sex").dataset.sex, yes: "Keep", among: sexes });
  if (value !== null && (await decide("describe", { name, column: "sex", value }))) location.reload();
});

pressed("describe", async () => {
  const column = byId("column");
  const word = column.selectedOptions[0].textContent;
  const title = `The ${word} of ${counted(chosen().length, "photo")}`;
  const value = await ask({ title, text: "Leave it empty where nobody knows.", value: "", yes: "Keep" });
  if (value !== null && (await decide("describe", { photos: chosen(), column: column.value, value }))) location.reload();
});

function count() {
  for (const id of ["box", "another"]) byId(id).hidden = chosen().length !== 1;
  byId("chosen").hidden = !chosen().length;
  byId("how-many").textContent = `${counted(chosen().length, "photo")} chosen`;
}

pressed("none", () => {
  for (const box of boxes) box.checked = false;
  count();
});
for (const box of boxes) box.addEventListener("change", count);

async function undo(number) {
  try {
    await post("/v1/gallery/undo", { number });
  } catch (error) {
    return toast(error.message);
  }
  const { individuals } = await get("/v1/individuals");
  if (individuals.some((each) => each.name === name)) return location.reload();
  show();
}

async function history() {
  const { decisions } = await get(`/v1/gallery/history?individual=${encodeURIComponent(name)}`);
  byId("history").replaceChildren(...decisions.map((each) => {
    const words = el("bdi");
    words.textContent = each.words;
    const when = el("div", { class: "soft small" }, `${each.who}, ${each.time.slice(0, 16).replace("T", " ")}`);
    const button = each.can_be_undone
      ? el("button", { type: "button", "aria-label": `Undo ${each.words}`, onclick: () => undo(each.number) }, "Undo") : null;
    return el("li", {}, el("div", {}, words, when), button);
  }));
}

count();
history().catch((error) => toast(error.message));
