// The inbox: files are sent, three at a time, and followed until there is an answer.
import { counted, el, get, icon, percent, post, send, takeFiles, toast } from "./app.js";

const list = document.getElementById("files");
const most = Number(document.getElementById("choose").dataset.most);
const shown = new Map(); // id -> element
let changed = 0;
let sending = 0;
const queue = [];

const WORDS = {
  received: "Waiting to be read",
  readable: "Being compared",
};

function words(file) {
  if (file.state === "refused") return `Cannot be used: ${file.why}`;
  if (file.state === "there") return ["In the gallery already: ", named(file.individual)];
  if (file.decision) return decided(file.decision);
  if (file.state !== "answered") return WORDS[file.state];
  const { text, verdict, best, probability } = file.answer;
  if (verdict === "unlike") return "Unlike all photos that the network knows";
  if (verdict === "unknown") return ["Nobody known; most like ", named(best)];
  if (verdict === "close") return el("bdi", {}, text[0].toUpperCase() + text.slice(1));
  return [named(text), probability == null ? "" : `, ${percent(probability)}`];
}

function decided(decision) {
  if (decision.kind === "is") return ["Decided: ", named(decision.name)];
  return `Decided: ${decision.kind}`;
}

function named(name) {
  const found = el("bdi", {});
  found.textContent = name;
  return found;
}

function row(file) {
  const busy = file.state === "received" || file.state === "readable";
  const seen = !["received", "refused", "there"].includes(file.state);
  const small = file.state === "there" ? file.photo : file.id;
  const picture = seen || file.state === "there"
    ? el("img", { class: "pic", src: `/pictures/small/${small}${file.box ? `?${file.box.join("_")}` : ""}`, alt: "", loading: "lazy" })
    : el("span", { class: "pic" }, icon(file.state === "refused" ? "odd" : "wait"));
  const what = el("div", { class: "what" });
  what.append(...[words(file)].flat());
  const remove = file.decision ? null : el("button", {
    class: "plain", type: "button", title: "Take off the list", "aria-label": `Take ${file.name} off the list`,
    onclick: () => forget(file),
  }, icon("remove"));
  return el("li", { class: `card file ${file.state}` }, picture,
    el("div", {}, what, el("div", { class: "name" }, named(file.name)),
      busy ? el("progress", { "aria-label": "at work" }) : null), remove);
}

async function forget(file) {
  try {
    await post(`/v1/photos/${file.id}`, null, "DELETE");
    shown.get(file.id)?.remove();
    shown.delete(file.id);
    look();
  } catch (error) {
    toast(error.message);
  }
}

function put(file, first) {
  const made = row(file);
  const before = shown.get(file.id);
  if (before) before.replaceWith(made);
  else if (first) list.prepend(made);
  else list.append(made);
  shown.set(file.id, made);
}

function sums(numbers, found) {
  const total = (...states) => states.reduce((sum, state) => sum + (numbers[state] || 0), 0);
  const parts = [
    [total("received", "readable"), "being looked at"],
    [total("answered"), "to decide"],
    [total("decided", "filing", "filed", "aside"), "decided"],
    [total("there"), "in the gallery already"],
    [total("refused"), "not usable"],
  ].filter(([number]) => number);
  const items = parts.map(([number, text]) => el("li", {}, el("b", {}, number.toLocaleString("en")), ` ${text}`));
  document.getElementById("sums").replaceChildren(...items);
  document.getElementById("nothing").hidden = shown.size > 0 || sending > 0 || found > 0;
  for (const badge of document.querySelectorAll("[data-count=review]")) badge.textContent = total("answered");
  return total("received", "readable");
}

let timer = 0;
async function look() {
  clearTimeout(timer);
  let wait = 4000;
  try {
    const found = await get(`/v1/photos?after=${changed}`);
    for (const file of found.files) put(file, changed > 0);
    if (!changed) earlier(found.files);
    changed = found.changed;
    document.getElementById("starting").hidden = found.ready;
    const trouble = document.getElementById("trouble");
    trouble.textContent = found.trouble;
    trouble.hidden = !found.trouble;
    if (sums(found.numbers, found.files.length) || !found.ready) wait = 800;
    if (found.files.length === 200) wait = 50;
  } catch {
    wait = 3000;
  }
  timer = setTimeout(look, wait);
}

let oldest = 0;
function earlier(files) {
  oldest = files.at(-1)?.came ?? oldest;
  document.getElementById("more").hidden = files.length < 200;
}

document.getElementById("more").addEventListener("click", async () => {
  const { files } = await get(`/v1/photos?before=${oldest}`);
  for (const file of files) if (!shown.has(file.id)) put(file, false);
  earlier(files);
});

function refused(line, name, why) {
  line.replaceWith(el("li", { class: "card file refused" }, el("span", { class: "pic" }, icon("odd")),
    el("div", {}, el("div", { class: "what" }, why), el("div", { class: "name" }, named(name)))));
}

async function next() {
  if (sending >= 3 || !queue.length) return;
  const { file, line, bar } = queue.shift();
  sending += 1;
  try {
    if (file.size > most) throw new Error(`Larger than ${Math.round(most / 2 ** 20)} MB`);
    const got = await send("/v1/photos", file, (share) => (bar.value = share));
    line.remove();
    if (!got.new && got.state !== "refused") toast(`${file.name} was dropped before.`);
    put(got, true);
  } catch (error) {
    if (error.status === 429) {
      queue.push({ file, line, bar });
      await new Promise((resolve) => setTimeout(resolve, 5000));
    } else refused(line, file.name, error.message);
  }
  sending -= 1;
  next();
  look();
}

takeFiles(document.getElementById("drop"), document.getElementById("choose"), (files) => {
  if (!files.length) return;
  document.getElementById("nothing").hidden = true;
  toast(`${counted(files.length, "photo")} taken`);
  for (const file of files) {
    const bar = el("progress", { max: 1, value: 0, "aria-label": `sending ${file.name}` });
    const line = el("li", { class: "card file" }, el("span", { class: "pic" }, icon("drop")),
      el("div", {}, el("div", { class: "what" }, "Sending"), el("div", { class: "name" }, named(file.name)), bar));
    list.prepend(line);
    queue.push({ file, line, bar });
  }
  for (let n = 0; n < 3; n += 1) next();
});

look();
