// Two photos side by side, zoomed and turned in step, with lines between points that agree.

const NS = "http://www.w3.org/2000/svg";

export class View {
  constructor(stage, pictures, svg) {
    this.stage = stage;
    this.pictures = pictures;
    this.svg = svg;
    this.points = [];
    this.lines = true;
    this.reset();
    for (const picture of pictures) {
      picture.addEventListener("load", () => this.draw());
      this.listen(picture.parentElement);
    }
    new ResizeObserver(() => this.draw()).observe(stage);
  }

  listen(pane) {
    let from = null;
    const fingers = new Map();
    const apart = () => {
      const [one, other] = [...fingers.values()];
      return Math.hypot(one[0] - other[0], one[1] - other[1]);
    };
    pane.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(event.deltaY < 0 ? 1.2 : 1 / 1.2);
    }, { passive: false });
    pane.addEventListener("pointerdown", (event) => {
      if (event.target.closest("button")) return;
      fingers.set(event.pointerId, [event.clientX, event.clientY]);
      from = [event.clientX - this.x, event.clientY - this.y];
      pane.setPointerCapture(event.pointerId);
    });
    pane.addEventListener("pointermove", (event) => {
      if (fingers.size === 2 && fingers.has(event.pointerId)) {
        const before = apart();
        fingers.set(event.pointerId, [event.clientX, event.clientY]);
        from = null;
        return this.zoom(apart() / Math.max(before, 1));
      }
      if (!from || this.scale === 1) return;
      this.x = event.clientX - from[0];
      this.y = event.clientY - from[1];
      this.draw();
    });
    for (const name of ["pointerup", "pointercancel"]) {
      pane.addEventListener(name, (event) => {
        fingers.delete(event.pointerId);
        from = null;
      });
    }
    pane.addEventListener("dblclick", () => (this.scale === 1 ? this.zoom(2.5) : this.reset()));
  }

  reset() {
    Object.assign(this, { scale: 1, angle: 0, x: 0, y: 0 });
    this.draw();
  }

  zoom(times) {
    const before = this.scale;
    this.scale = Math.min(Math.max(this.scale * times, 1), 12);
    this.x *= this.scale / before;
    this.y *= this.scale / before;
    if (this.scale === 1) this.x = this.y = 0;
    this.draw();
  }

  turn() {
    this.angle = (this.angle + 90) % 360;
    this.draw();
  }

  show(points) {
    this.points = points;
    this.draw();
  }

  // Where a point of a photo, in units of its longer side, is seen on the stage.
  place(picture, x, y) {
    const pane = picture.parentElement;
    const [w, h] = [pane.clientWidth, pane.clientHeight];
    const [nw, nh] = [picture.naturalWidth || 1, picture.naturalHeight || 1];
    const fit = Math.min(w / nw, h / nh);
    const longer = Math.max(nw, nh);
    const dx = (x * longer - nw / 2) * fit * this.scale;
    const dy = (y * longer - nh / 2) * fit * this.scale;
    const turn = (this.angle * Math.PI) / 180;
    const px = w / 2 + this.x + dx * Math.cos(turn) - dy * Math.sin(turn);
    const py = h / 2 + this.y + dx * Math.sin(turn) + dy * Math.cos(turn);
    const inside = px >= 0 && py >= 0 && px <= w && py <= h;
    return inside ? [px + pane.offsetLeft, py + pane.offsetTop] : null;
  }

  draw() {
    const [first, second] = this.pictures;
    for (const picture of this.pictures) {
      picture.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.scale}) rotate(${this.angle}deg)`;
    }
    if (!this.svg) return;
    this.svg.replaceChildren();
    if (!this.lines || !first.naturalWidth || !second.naturalWidth) return;
    const strongest = Math.max(...this.points.map((point) => point[4]), 1e-9);
    for (const [x, y, u, v, strength] of this.points) {
      const [from, to] = [this.place(first, x, y), this.place(second, u, v)];
      if (!from || !to) continue;
      const line = document.createElementNS(NS, "line");
      for (const [name, value] of Object.entries({ x1: from[0], y1: from[1], x2: to[0], y2: to[1] })) {
        line.setAttribute(name, value.toFixed(1));
      }
      line.setAttribute("stroke-opacity", (0.25 + (0.6 * strength) / strongest).toFixed(2));
      this.svg.append(line);
      for (const [cx, cy] of [from, to]) {
        const dot = document.createElementNS(NS, "circle");
        dot.setAttribute("cx", cx.toFixed(1));
        dot.setAttribute("cy", cy.toFixed(1));
        dot.setAttribute("r", "3");
        this.svg.append(dot);
      }
    }
  }
}
