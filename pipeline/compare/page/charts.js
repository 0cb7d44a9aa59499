// Line charts of A and B over the training steps, drawn to the width that there is.
const DATA = JSON.parse(document.getElementById("data").textContent);

const SVG_NAMES = new Set(["svg", "g", "line", "path", "text", "circle"]);

function element(name, attributes = {}, ...children) {
  const space = "http://www.w3.org/2000/svg";
  const made = SVG_NAMES.has(name) ? document.createElementNS(space, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const shown = (value) => Number(value.toPrecision(4)).toString().replace("-", "−");

function linearTicks(low, high, count) {
  const raw = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= raw) * power;
  const ticks = [];
  for (let i = Math.ceil(low / step); i * step <= high; i++) ticks.push(i * step);
  return ticks;
}

function logTicks(low, high) {
  const factors = high / low > 30 ? [1] : high / low > 6 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 7];
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++) {
    for (const factor of factors) {
      const tick = factor * 10 ** power;
      if (tick >= low && tick <= high) ticks.push(tick);
    }
  }
  return ticks.length > 1 ? ticks : linearTicks(low, high, 4);
}

class Chart {
  constructor(chart) {
    this.chart = chart;
    this.svg = element("svg", { role: "img", "aria-label": this.summary() });
    this.readout = element("div", { class: "readout" }, this.summary());
    this.figure = element("figure", {}, element("figcaption", {}, chart.title), this.readout, this.svg);
    this.svg.addEventListener("pointermove", (event) => this.point(event));
    this.svg.addEventListener("pointerleave", () => this.leave());
    new ResizeObserver(() => this.draw()).observe(this.svg);
  }

  summary() {
    const ends = this.chart.series.map(({ name, points, smooth }) => `${name} ${shown((smooth || points).at(-1)[1])}`);
    if (this.chart.bicubic !== null) ends.push(`bicubic ${shown(this.chart.bicubic)}`);
    return `At the end: ${ends.join(", ")}`;
  }

  draw() {
    const width = this.svg.clientWidth, height = this.svg.clientHeight;
    if (!width) return;
    const box = { left: 48, right: width - 20, top: 10, bottom: height - 24 };
    const { series, log, bicubic } = this.chart;
    const points = series.flatMap((each) => each.points);
    const values = points.map((point) => point[1]).concat(bicubic === null ? [] : [bicubic]);
    const steps = points.map((point) => point[0]);
    const scale = log && Math.min(...values) > 0 ? Math.log : (value) => value;
    let [low, high] = [Math.min(...values), Math.max(...values)];
    if (scale !== Math.log) {
      const air = (high - low || Math.abs(high) || 1) * 0.06;
      [low, high] = [low - air, high + air];
    }
    const span = scale(high) - scale(low) || 1, last = Math.max(...steps) || 1;
    this.x = (step) => box.left + (step / last) * (box.right - box.left);
    this.y = (value) => box.bottom - ((scale(value) - scale(low)) / span) * (box.bottom - box.top);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.replaceChildren(...this.axes(box, scale === Math.log ? logTicks(low, high) : linearTicks(low, high, 4), last));
    if (bicubic !== null) {
      this.svg.append(
        element("line", { class: "baseline", x1: box.left, x2: box.right, y1: this.y(bicubic), y2: this.y(bicubic) }),
        element("text", { x: box.right, y: this.y(bicubic) - 6, "text-anchor": "end" }, "bicubic"),
      );
    }
    for (const { name, points: raw, smooth } of series) {
      const group = element("g", { class: name });
      if (smooth) group.append(element("path", { class: "line raw", d: this.path(raw) }));
      group.append(element("path", { class: "line", d: this.path(smooth || raw) }));
      this.svg.append(group);
    }
    this.labels(box);
    this.cursor = element("g", { visibility: "hidden" });
    this.svg.append(this.cursor);
    this.box = box;
  }

  axes(box, ticks, last) {
    const parts = [];
    for (const tick of ticks) {
      const y = this.y(tick);
      parts.push(element("line", { class: "grid", x1: box.left, x2: box.right, y1: y, y2: y }));
      parts.push(element("text", { x: box.left - 8, y: y + 4, "text-anchor": "end" }, shown(tick)));
    }
    for (const tick of linearTicks(0, last, 4)) {
      parts.push(element("text", { x: this.x(tick), y: box.bottom + 18, "text-anchor": "middle" }, shown(tick)));
    }
    return parts;
  }

  // The letters at the lines' ends, moved apart where the ends meet.
  labels(box) {
    const ends = this.chart.series.map(({ name, points, smooth }) => ({ name, y: this.y((smooth || points).at(-1)[1]) }));
    ends.sort((one, other) => one.y - other.y);
    if (ends.length === 2 && ends[1].y - ends[0].y < 14) {
      const middle = (ends[0].y + ends[1].y) / 2;
      [ends[0].y, ends[1].y] = [middle - 7, middle + 7];
    }
    for (const { name, y } of ends) {
      this.svg.append(element("g", { class: name }, element("text", { class: "end", x: box.right + 6, y: y + 4 }, name)));
    }
  }

  path(points) {
    return "M" + points.map(([step, value]) => `${this.x(step).toFixed(1)} ${this.y(value).toFixed(1)}`).join("L");
  }

  point(event) {
    const at = event.clientX - this.svg.getBoundingClientRect().left;
    const near = this.chart.series.map(({ name, points, smooth }) => {
      const distance = (point) => Math.abs(this.x(point[0]) - at);
      const nearest = (smooth || points).reduce((best, point) => (distance(point) < distance(best) ? point : best));
      return { name, step: nearest[0], value: nearest[1] };
    });
    const x = this.x(near[0].step);
    this.cursor.replaceChildren(
      element("line", { class: "cursor", x1: x, x2: x, y1: this.box.top, y2: this.box.bottom }),
      ...near.map(({ name, step, value }) =>
        element("g", { class: name }, element("circle", { class: "point", r: 5, cx: this.x(step), cy: this.y(value) }))),
    );
    this.cursor.setAttribute("visibility", "visible");
    this.readout.textContent = `Step ${near[0].step}: ` + near.map(({ name, value }) => `${name} ${shown(value)}`).join(", ");
  }

  leave() {
    this.cursor.setAttribute("visibility", "hidden");
    this.readout.textContent = this.summary();
  }
}

document.getElementById("charts").append(...DATA.charts.map((chart) => new Chart(chart).figure));
