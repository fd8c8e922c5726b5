// How far the gallery is that is being made.
import { get } from "./app.js";

const bar = document.getElementById("bar");
const words = document.getElementById("words");

function draw(points) {
  if (points.length < 3) return;
  const top = Math.max(...points.map((p) => p[1]));
  const last = points[points.length - 1][0];
  const line = points.map(([x, y]) => `${(1000 * x) / last},${6 + 148 * (1 - y / top)}`);
  document.getElementById("loss").setAttribute("points", line.join(" "));
  document.getElementById("losses").hidden = false;
}

async function look() {
  try {
    const { making } = await get("/v1/state");
    if (!making) return location.reload();
    words.textContent = making.failed || `${making.words} …`;
    if (making.failed) {
      bar.hidden = true;
      return;
    }
    if (making.total) {
      bar.value = making.done / making.total;
      const left = Math.max(0, Math.round(making.total - making.done));
      words.textContent = `${making.words} … ${left} s left`;
    } else bar.removeAttribute("value");
    draw(making.numbers);
  } catch {
    words.textContent = "The server does not answer.";
  }
  setTimeout(look, 700);
}
look();
