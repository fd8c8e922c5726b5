// Films: they are sent one after the other, looked at, and compared by twos.
import { counted, el, get, icon, percent, post, send, takeFiles, toast } from "./app.js";

const list = document.getElementById("files");
const two = document.getElementById("two");
const keyframes = Boolean(list.dataset.keyframes);
const queue = [];
let sending = false;

function bdi(text) {
  const found = el("bdi");
  found.textContent = text;
  return found;
}

function row(film) {
  const what = el("div", { class: "what" });
  if (film.state === "answered" && keyframes) what.append(el("a", { href: `/films/${film.id}` }, bdi(film.name)));
  else what.append(bdi(film.name));
  const words = {
    received: keyframes ? "Its frames are being looked at" : "Waiting",
    answered: keyframes ? `${counted(film.film?.keyframes ?? 0, "keyframe")}, ${counted(film.film?.scenes ?? 0, "scene")}` : "Ready to be compared",
    refused: `Cannot be used: ${film.why}`,
  };
  const picture = film.state === "answered" && keyframes
    ? el("img", { class: "pic", src: `/films/${film.id}/frames/1`, alt: "", loading: "lazy" })
    : el("span", { class: "pic" }, icon(film.state === "refused" ? "odd" : "films"));
  return el("li", { class: `card file ${film.state}` }, picture,
    el("div", {}, what, el("div", { class: "name" }, words[film.state]),
      film.state === "received" ? el("progress", { "aria-label": "at work" }) : null),
    el("button", { class: "plain", type: "button", "aria-label": `Take ${film.name} off the list`, onclick: () => forget(film) }, icon("remove")));
}

async function forget(film) {
  try {
    await post(`/v1/photos/${film.id}`, null, "DELETE");
  } catch (error) {
    toast(error.message);
  }
  look();
}

const picked = {}; // by a person, until the film is gone
two?.addEventListener("change", (event) => (picked[event.target.name] = event.target.value));

function choices(films) {
  if (!two) return;
  const usable = films.filter((film) => film.state !== "refused");
  two.hidden = usable.length < 2;
  for (const [place, name] of ["first", "second"].entries()) {
    const wanted = usable.some((film) => film.id === picked[name]) ? picked[name] : usable[place]?.id;
    const options = usable.map((film) => el("option", { value: film.id, selected: film.id === wanted }, film.name));
    document.getElementById(name).replaceChildren(...options);
  }
}

let timer = 0;
async function look() {
  clearTimeout(timer);
  let wait = 5000;
  try {
    const { files } = await get("/v1/films");
    list.replaceChildren(...files.map(row));
    document.getElementById("nothing").hidden = files.length > 0 || queue.length > 0;
    choices(files);
    if (files.some((film) => film.state === "received")) wait = 1500;
  } catch {
    /* asked again */
  }
  timer = setTimeout(look, wait);
}

async function next() {
  if (sending || !queue.length) return;
  sending = true;
  const file = queue.shift();
  const bar = el("progress", { max: 1, value: 0, "aria-label": `sending ${file.name}` });
  const line = el("li", {}, bdi(`Sending ${file.name}`), bar);
  document.getElementById("sums").append(line);
  try {
    await send("/v1/films", file, (share) => (bar.value = share));
  } catch (error) {
    toast(`${file.name}: ${error.message}`);
  }
  line.remove();
  sending = false;
  look();
  next();
}

takeFiles(document.getElementById("drop"), document.getElementById("choose"), (files) => {
  queue.push(...files);
  next();
});

two?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const box = document.getElementById("verdict");
  const button = document.getElementById("compare");
  box.hidden = false;
  box.replaceChildren(el("p", {}, "Frames are being compared …"), el("progress", { "aria-label": "at work" }));
  button.disabled = true;
  try {
    const asked = { first: document.getElementById("first").value, second: document.getElementById("second").value };
    box.replaceChildren(...verdict(await post("/v1/films/compare", asked)));
  } catch (error) {
    box.replaceChildren(el("p", {}, error.message));
  }
  button.disabled = false;
});

function verdict(found) {
  const words = { "same video": "Of one video", unsure: "Unsure", different: "Different videos" };
  const parts = [el("p", { class: "verdict" }, words[found.verdict])];
  if (found.different_as_alike != null) {
    parts.push(el("p", { class: "soft" }, `${percent(found.different_as_alike)} of different films are as alike; ` +
      `${percent(found.copies_less_alike)} of edited copies are less alike. ${found.about}`));
  }
  const side = (name, n, time) => el("figure", {}, el("img", { src: `/films/${found.first}/with/${found.second}/${n}/${name}`, alt: "", loading: "lazy" }),
    el("figcaption", { class: "soft small number" }, time));
  parts.push(el("h2", {}, "Frames of the first film, and the most alike of the second"));
  parts.push(el("ol", { class: "pairs" }, ...found.aligned.map((pair, n) => el("li", {}, side("first", n, pair.first), side("second", n, pair.second),
    el("p", { class: "number small" }, `${pair.cosine.toFixed(2)} alike`)))));
  return parts;
}

look();
