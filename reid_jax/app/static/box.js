// A box is drawn on a photo by one drag, or by keys. What it shows stands in parts of one.
import { el, get } from "./app.js";

const NEAR = 16; // pixels from an edge within which a drag moves that edge
const LEAST = 8; // pixels of a side
const STEP = 0.01;
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const within = (value, least, most) => Math.min(Math.max(value, least), most);

// Where the photo is seen in its pane: left, top, width, height.
function seen(pane, picture) {
  const [w, h] = [pane.clientWidth, pane.clientHeight];
  const [nw, nh] = [picture.naturalWidth || 1, picture.naturalHeight || 1];
  const fit = Math.min(w / nw, h / nh);
  return [(w - nw * fit) / 2, (h - nh * fit) / 2, nw * fit, nh * fit];
}

// Shows all of a photo in a pane and lets a box be drawn; the box, or null where it was left.
export function drawBox(pane, picture, source, box = null) {
  const frame = el("div", { class: "box", hidden: true });
  const leave = el("button", { type: "button", class: "leave", onclick: () => pane.leave() }, "Leave");
  const hint = el("p", { class: "hint", role: "status" }, "Drag a box around the animal", el("span", { class: "long" }, "; arrow keys move it, with Shift they size it, Enter keeps it, Escape leaves"));
  const before = picture.src;
  let corners = box && [box[0], box[1], box[0] + box[2], box[1] + box[3]];
  let drag = null;

  function draw() {
    frame.hidden = !corners;
    if (!corners) return;
    const [x, y, w, h] = seen(pane, picture);
    const [left, top, right, bottom] = corners;
    frame.style.left = `${x + left * w}px`;
    frame.style.top = `${y + top * h}px`;
    frame.style.width = `${(right - left) * w}px`;
    frame.style.height = `${(bottom - top) * h}px`;
  }

  const at = (event) => {
    const pane_ = pane.getBoundingClientRect();
    const [x, y, w, h] = seen(pane, picture);
    return [within((event.clientX - pane_.left - x) / w, 0, 1), within((event.clientY - pane_.top - y) / h, 0, 1)];
  };

  // Which edges of the box a drag moves that begins here: none for a new box.
  function edges([px, py]) {
    if (!corners) return null;
    const [, , w, h] = seen(pane, picture);
    const [nx, ny] = [NEAR / w, NEAR / h];
    const [left, top, right, bottom] = corners;
    if (px < left - nx || px > right + nx || py < top - ny || py > bottom + ny) return null;
    const across = Math.abs(px - left) < nx ? 0 : Math.abs(px - right) < nx ? 2 : -1;
    const down = Math.abs(py - top) < ny ? 1 : Math.abs(py - bottom) < ny ? 3 : -1;
    return across < 0 && down < 0 ? null : [across, down];
  }

  return new Promise((resolve) => {
    const listened = new AbortController();
    const on = (target, name, act) => target.addEventListener(name, act, { signal: listened.signal, capture: true });

    function end(found) {
      listened.abort();
      watched.disconnect();
      frame.remove();
      hint.remove();
      leave.remove();
      pane.classList.remove("drawing");
      pane.removeAttribute("tabindex");
      if (!found) picture.src = before;
      resolve(found);
    }

    function keep() {
      const [, , w, h] = seen(pane, picture);
      if (!corners) return;
      const [left, top, right, bottom] = corners;
      if ((right - left) * w < LEAST || (bottom - top) * h < LEAST) return;
      end([left, top, right - left, bottom - top]);
    }

    on(pane, "pointerdown", (event) => {
      if (event.target.closest("button")) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      pane.setPointerCapture(event.pointerId);
      hint.hidden = true;
      const from = at(event);
      drag = { id: event.pointerId, from, edges: edges(from), was: corners };
    });
    on(pane, "pointermove", (event) => {
      event.stopImmediatePropagation();
      if (drag?.id !== event.pointerId) return;
      const [x, y] = at(event);
      let now = [...drag.from, x, y];
      if (drag.edges) {
        now = [...drag.was];
        if (drag.edges[0] >= 0) now[drag.edges[0]] = x;
        if (drag.edges[1] >= 0) now[drag.edges[1]] = y;
      }
      corners = [Math.min(now[0], now[2]), Math.min(now[1], now[3]), Math.max(now[0], now[2]), Math.max(now[1], now[3])];
      draw();
    });
    on(pane, "pointerup", (event) => {
      event.stopImmediatePropagation();
      if (drag?.id !== event.pointerId) return;
      const moved = at(event).some((value, n) => Math.abs(value - drag.from[n]) > 0.005);
      if (!moved) corners = drag.was;
      drag = null;
      hint.hidden = false;
      draw();
      if (moved) keep();
    });
    on(pane, "pointercancel", () => {
      corners = drag?.was ?? corners;
      drag = null;
      draw();
    });
    for (const name of ["wheel", "dblclick"]) on(pane, name, (event) => event.stopImmediatePropagation());
    on(document, "keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.key === "Tab") return;
      if (event.target.closest("button") && (event.key === "Enter" || event.key === " ")) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      if (event.key === "Escape") return end(null);
      if (event.key === "Enter") return keep();
      const way = KEYS[event.key];
      if (!way) return;
      corners ??= [0.25, 0.25, 0.75, 0.75];
      const [dx, dy] = way.map((n) => n * STEP);
      const [left, top, right, bottom] = corners;
      if (event.shiftKey) corners = [left, top, within(right + dx, left + STEP, 1), within(bottom + dy, top + STEP, 1)];
      else {
        const [mx, my] = [within(dx, -left, 1 - right), within(dy, -top, 1 - bottom)];
        corners = [left + mx, top + my, right + mx, bottom + my];
      }
      draw();
    });
    on(picture, "load", draw);
    const watched = new ResizeObserver(draw);
    watched.observe(pane);
    pane.append(frame, hint, leave);
    pane.classList.add("drawing");
    pane.tabIndex = 0;
    pane.focus();
    pane.leave = () => end(null);
    picture.src = source;
    draw();
  });
}

// The same in a dialog of its own, for a photo of the gallery.
export async function askBox(photo, title) {
  const { box } = await get(`/v1/gallery/box?photo=${photo}`);
  const picture = el("img", { alt: "The whole photo" });
  const pane = el("div", { class: "pane alone", role: "group", "aria-label": title }, picture);
  const all = box ? el("button", { type: "button" }, "All of the photo") : null;
  const dialog = el("dialog", { class: "wide", "aria-label": title }, el("h2", {}, title), pane, el("div", { class: "fields" }, all));
  document.body.append(dialog);
  dialog.showModal();
  let whole = false;
  all?.addEventListener("click", () => {
    whole = true;
    pane.leave();
  });
  dialog.addEventListener("cancel", () => pane.leave());
  const drawn = await drawBox(pane, picture, `/pictures/whole/${photo}`, box);
  dialog.close();
  dialog.remove();
  return { box: drawn, whole };
}
