// A map of points on a canvas: zoom, pan, hover, choose, by pointer and by keys.
const NEAR_PX = 14, MOST_ZOOM = 400, CLICK_PX = 5;

export class LibraryMap {
  /** Draws on `canvas`; `callbacks` has the functions chosen(point, byClick), hovered(id) and similar(point). */
  constructor(canvas, tip, frame, callbacks) {
    Object.assign(this, { canvas, tip, frame, callbacks });
    this.context = canvas.getContext("2d");
    this.points = [];
    this.byId = new Map();
    this.hits = [];
    this.chosen = this.hover = this.pointed = this.playing = this.tipped = null;
    this.view = { scale: 1, x: 0, y: 0 }; // of the whole map, and where its middle stands, in CSS pixels
    this.pointers = new Map();
    new ResizeObserver(() => this.resize()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.recolour());
    this.listen();
    this.recolour();
    this.resize();
  }

  /** Takes the points of the server's answer, places scaled so that the whole map fits a square of side 2. */
  load(answer) {
    if (!answer.ids.length) return;
    const extent = (places) => [Math.min(...chunked(places, Math.min)), Math.max(...chunked(places, Math.max))];
    const [left, right] = extent(answer.x), [low, high] = extent(answer.y);
    const half = Math.max(right - left, high - low, 1e-6) / 2;
    this.place = (x, y) => [(x - (left + right) / 2) / half, ((low + high) / 2 - y) / half];
    this.aspect = [Math.max((right - left) / 2 / half, 0.2), Math.max((high - low) / 2 / half, 0.2)];
    this.points = answer.ids.map((id, i) => {
      const [x, y] = this.place(answer.x[i], answer.y[i]);
      return { id, x, y, name: answer.names[i], group: answer.groups[i], start_s: answer.starts[i], end_s: null, duration_s: null };
    });
    this.byId = new Map(this.points.map((point) => [point.id, point]));
    this.highlight(this.hits);
  }

  /** Shows results: larger, in their own colour, the others pale. Some need not be points of the map. */
  highlight(hits) {
    this.hits = hits;
    const placed = (hit) => {
      if (hit.x === null) return null; // found before the map was drawn
      const [x, y] = this.place(hit.x, hit.y);
      return { ...hit, x, y };
    };
    this.found = this.place ? hits.map((hit) => this.byId.get(hit.id) ?? placed(hit)).filter((point) => point) : [];
    this.draw();
  }

  /** Rings the point of the sound that is pointed at elsewhere; null for none. */
  point(id) { this.pointed = id; this.draw(); }

  /** Rings the point of the sound that plays; null for none. */
  sounding(id) { if (this.playing !== id) { this.playing = id; this.draw(); } }

  // ---- view

  resize() {
    const box = this.canvas.getBoundingClientRect(), ratio = devicePixelRatio || 1;
    this.width = box.width;
    this.height = box.height;
    this.canvas.width = Math.round(box.width * ratio);
    this.canvas.height = Math.round(box.height * ratio);
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.draw();
  }

  unit() {
    const [wide, high] = this.aspect ?? [1, 1];
    return 0.92 * Math.min(this.width / 2 / wide, this.height / 2 / high) * this.view.scale;
  }

  onScreen(point) {
    const unit = this.unit();
    return [this.width / 2 + this.view.x + point.x * unit, this.height / 2 + this.view.y + point.y * unit];
  }

  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const { view } = this, scale = Math.min(MOST_ZOOM, Math.max(1, view.scale * factor)), real = scale / view.scale;
    const dx = x - this.width / 2, dy = y - this.height / 2;
    view.x = dx - (dx - view.x) * real;
    view.y = dy - (dy - view.y) * real;
    view.scale = scale;
    this.settle();
  }

  whole() {
    this.view = { scale: 1, x: 0, y: 0 };
    this.settle();
  }

  pan(dx, dy) {
    this.view.x += dx;
    this.view.y += dy;
    this.settle();
  }

  settle() { // the map cannot be lost sight of
    const { view } = this, unit = this.unit(), [wide, high] = this.aspect ?? [1, 1];
    const room = (extent, side) => Math.max(0, extent * unit - side / 2 + 40) * (view.scale > 1 ? 1 : 0);
    view.x = Math.min(room(wide, this.width), Math.max(-room(wide, this.width), view.x));
    view.y = Math.min(room(high, this.height), Math.max(-room(high, this.height), view.y));
    this.frame.classList.toggle("zoomed", view.scale > 1.001);
    if (this.tipped) this.showTip(this.tipped);
    this.draw();
  }

  // ---- drawing

  recolour() {
    const style = getComputedStyle(document.documentElement), value = (name) => style.getPropertyValue(name).trim();
    this.colours = { groups: [...Array(8).keys()].map((i) => value(`--group-${i}`)), hit: value("--hit"), ink: value("--ink"), page: value("--page") };
    this.draw();
  }

  draw() {
    if (this.waiting || !this.width) return;
    this.waiting = true;
    requestAnimationFrame(() => { this.waiting = false; this.paint(); });
  }

  paint() {
    const { context, colours, view } = this, found = this.found ?? [];
    context.clearRect(0, 0, this.width, this.height);
    const count = this.points.length, room = count < 200 ? 3 : count < 2000 ? 1 : 0;
    const size = Math.min(7, 2 + room + Math.log2(view.scale) * 0.6);
    context.globalAlpha = found.length ? 0.35 : 0.75;
    const inGroups = colours.groups.map(() => []);
    for (const point of this.points) {
      const [x, y] = this.onScreen(point);
      if (x > -size && y > -size && x < this.width + size && y < this.height + size) inGroups[point.group].push(x, y);
    }
    inGroups.reverse().forEach((places, at) => { // the small folders that share a colour lie below
      context.fillStyle = colours.groups[colours.groups.length - 1 - at];
      context.beginPath();
      for (let i = 0; i < places.length; i += 2) {
        context.moveTo(places[i] + size, places[i + 1]);
        context.arc(places[i], places[i + 1], size, 0, 2 * Math.PI);
      }
      context.fill();
    });
    context.globalAlpha = 1;
    for (const point of [...found].reverse()) this.disc(point, size + 2.5, colours.hit, colours.page);
    for (const id of [this.pointed, this.playing, this.chosen?.id, this.hover?.id]) this.ring(id, size + 6);
  }

  disc(point, size, fill, edge) {
    const [x, y] = this.onScreen(point), { context } = this;
    context.beginPath();
    context.arc(x, y, size, 0, 2 * Math.PI);
    context.fillStyle = fill;
    context.fill();
    context.lineWidth = 1.5;
    context.strokeStyle = edge;
    context.stroke();
  }

  ring(id, size) {
    const point = id === null || id === undefined ? null : this.known(id);
    if (!point) return;
    const [x, y] = this.onScreen(point), { context, colours } = this;
    context.beginPath();
    context.arc(x, y, size, 0, 2 * Math.PI);
    context.lineWidth = 2.5;
    context.strokeStyle = colours.ink;
    context.stroke();
  }

  known(id) {
    return this.byId.get(id) ?? (this.found ?? []).find((point) => point.id === id) ?? null;
  }

  // ---- pointing

  at(x, y) { // results first, since they are drawn on top
    const nearest = (points) => {
      let best = null, least = NEAR_PX ** 2;
      for (const point of points) {
        const [px, py] = this.onScreen(point), distance = (px - x) ** 2 + (py - y) ** 2;
        if (distance < least) [best, least] = [point, distance];
      }
      return best;
    };
    return nearest(this.found ?? []) ?? nearest(this.points);
  }

  hoverAt(x, y) {
    const point = x === null ? null : this.at(x, y);
    if (point !== this.hover) {
      this.hover = point;
      this.callbacks.hovered(point ? point.id : null);
      this.draw();
    }
    this.showTip(point);
  }

  showTip(point) {
    this.tipped = point;
    this.tip.hidden = !point;
    if (!point) return;
    this.tip.textContent = point.name;
    const [x, y] = this.onScreen(point), right = x > this.width / 2;
    this.tip.style.left = right ? "auto" : `${x + 12}px`;
    this.tip.style.right = right ? `${this.width - x + 12}px` : "auto";
    this.tip.style.top = `${Math.min(this.height - 30, Math.max(4, y - 12))}px`;
  }

  choose(point, byClick) {
    this.chosen = point;
    this.callbacks.chosen(point, byClick);
    this.draw();
  }

  listen() {
    const { canvas, pointers } = this;
    const place = (event) => {
      const box = canvas.getBoundingClientRect();
      return [event.clientX - box.left, event.clientY - box.top];
    };
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const step = event.deltaMode === 1 ? 16 * event.deltaY : event.deltaY;
      this.zoom(Math.exp(-Math.max(-200, Math.min(200, step)) / 250), ...place(event));
      this.hoverAt(...place(event));
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, place(event));
      this.moved = pointers.size > 1 ? Infinity : 0;
    });
    canvas.addEventListener("pointermove", (event) => {
      const [x, y] = place(event), before = pointers.get(event.pointerId);
      if (!before) return this.hoverAt(x, y);
      this.moved += Math.hypot(x - before[0], y - before[1]);
      if (pointers.size === 2) this.pinch(event.pointerId, before, [x, y]);
      else if (this.moved > CLICK_PX) this.pan(x - before[0], y - before[1]);
      pointers.set(event.pointerId, [x, y]);
    });
    canvas.addEventListener("pointerup", (event) => {
      if (pointers.delete(event.pointerId) && this.moved <= CLICK_PX) {
        const point = this.at(...place(event));
        if (point) this.choose(point, true);
        if (event.pointerType !== "mouse") this.showTip(point);
      }
    });
    canvas.addEventListener("pointercancel", (event) => pointers.delete(event.pointerId));
    canvas.addEventListener("pointerleave", () => this.hoverAt(null));
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("blur", () => this.showTip(null));
  }

  pinch(id, before, now) {
    const [other] = [...this.pointers].filter(([key]) => key !== id).map(([, place]) => place);
    const distance = (a, b) => Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1]));
    this.pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
    this.zoom(distance(now, other) / distance(before, other), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
  }

  // ---- keys

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (arrow && event.shiftKey) this.pan(-60 * arrow[0], -60 * arrow[1]);
    else if (arrow) this.step(...arrow);
    else if (event.key === "+" || event.key === "=") this.zoom(1.6);
    else if (event.key === "-") this.zoom(1 / 1.6);
    else if (event.key === "0") this.whole();
    else if (event.key === "Enter" && this.chosen) this.callbacks.similar(this.chosen);
    else return;
    event.preventDefault();
  }

  /** To the nearest point that lies in a direction, within 45 degrees; first to the one in the middle. */
  step(dx, dy) {
    const from = this.chosen ? this.onScreen(this.chosen) : [this.width / 2, this.height / 2];
    let best = null, least = Infinity;
    for (const point of this.points) {
      const [x, y] = this.onScreen(point), along = (x - from[0]) * dx + (y - from[1]) * dy;
      const across = Math.abs((x - from[0]) * dy) + Math.abs((y - from[1]) * dx), cost = along + 2 * across;
      const allowed = this.chosen ? along > 0.01 && across <= along : true;
      const distance = this.chosen ? cost : Math.hypot(x - from[0], y - from[1]);
      if (allowed && point !== this.chosen && distance < least) [best, least] = [point, distance];
    }
    if (!best) return;
    this.choose(best, false);
    const [x, y] = this.onScreen(best), margin = 30;
    if (x < margin || y < margin || x > this.width - margin || y > this.height - margin) this.pan(this.width / 2 - x, this.height / 2 - y);
    this.showTip(best);
  }
}

/** The extremes of long arrays, piece by piece: a function takes only so many arguments. */
function chunked(values, extreme) {
  const found = [];
  for (let i = 0; i < values.length; i += 10000) found.push(extreme(...values.slice(i, i + 10000)));
  return found;
}
