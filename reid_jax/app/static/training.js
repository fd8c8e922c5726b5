// Training on the names that people gave: begun, watched, taken over or refused.
import { el, get, post, toast } from "./app.js";

const byId = (id) => document.getElementById(id);
const SAID = {
  taken: "The gallery has the new embeddings. The former ones stay until photos are added.",
  refused: "The gallery has the embeddings that it had.",
  stopped: "The training was stopped. What it has learnt is kept.",
};
let timer = 0;

function draw(points) {
  byId("losses").hidden = points.length < 3;
  if (points.length < 3) return;
  const top = Math.max(...points.map((p) => p[1]));
  const last = points[points.length - 1][0];
  const line = points.map(([x, y]) => `${(1000 * x) / last},${6 + 148 * (1 - y / top)}`);
  byId("loss").setAttribute("points", line.join(" "));
}

function clock(seconds) {
  const left = Math.max(0, Math.round(seconds));
  return `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
}

function show(now) {
  const works = now.phase === "trains" || now.phase === "takes";
  byId("work").hidden = !works;
  byId("begin").hidden = works || now.phase === "compared";
  byId("on").hidden = now.phase !== "stopped";
  const left = now.total ? `, ${clock(now.total - now.done)} left` : "";
  byId("words").textContent = works ? `${now.words}${left} …` : "";
  byId("stop").hidden = now.phase !== "trains";
  if (now.total) byId("bar").value = now.done / now.total;
  else byId("bar").removeAttribute("value");
  draw(now.numbers);
  const said = now.phase === "failed" ? now.words : SAID[now.phase];
  byId("said").hidden = !said;
  byId("said").classList.toggle("bad", now.phase === "failed");
  byId("said").textContent = said ?? "";
  const { about = "", rows = [], sentences = [], gone = [] } = now.found;
  byId("result").hidden = !["compared", "taken", "refused"].includes(now.phase);
  byId("choose").hidden = now.phase !== "compared";
  byId("taken").hidden = now.phase !== "taken";
  byId("rows").replaceChildren(
    ...rows.map(([name, ...numbers]) =>
      el("tr", {}, el("th", { scope: "row" }, name), ...numbers.map((n) => el("td", { class: "number" }, n))),
    ),
  );
  byId("about").textContent = about || "Nobody has named two photos of one individual from two days, so nothing can be compared.";
  byId("sentences").replaceChildren(...[...sentences, ...gone].map((each) => el("li", {}, each)));
  clearTimeout(timer);
  timer = setTimeout(look, works ? 1000 : 15000);
}

async function look() {
  try {
    show(await get("/v1/training"));
  } catch {
    byId("words").textContent = "The server does not answer.";
    timer = setTimeout(look, 3000);
  }
}

async function act(body) {
  try {
    show(await post("/v1/training", body));
  } catch (error) {
    toast(error.message);
  }
}

byId("start").addEventListener("submit", (event) => {
  event.preventDefault();
  act({ do: "begin", minutes: Number(byId("minutes").value) });
});
for (const [id, word] of [["on", "go on"], ["stop", "stop"], ["take", "take"], ["refuse", "refuse"], ["back", "back"]]) {
  byId(id).addEventListener("click", () => act({ do: word }));
}
look();
