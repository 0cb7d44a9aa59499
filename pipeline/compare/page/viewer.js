// Test pictures: a before/after stage and a pane for each kind, which share one zoom and position.
const DATA = JSON.parse(document.getElementById("data").textContent);
const LARGEST_ZOOM = 16;
const $ = (id) => document.getElementById(id);
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

const viewer = $("viewer"), stage = $("stage"), divider = $("divider");
const view = { zoom: 1, x: 0, y: 0, split: 50 };

// --- what is shown ---

function showPicture() {
  const picture = DATA.pictures[document.querySelector("#thumbnails :checked").value];
  const show = (image, kind) => {
    image.src = picture.src[kind];
    image.alt = `${picture.id}, ${DATA.names[kind]}`;
    image.dataset.shown = kind;
  };
  for (const side of ["left", "right"]) {
    show($(`${side}-image`), $(side).value);
    $(`${side}-tag`).textContent = DATA.names[$(side).value];
  }
  for (const image of $("panes").querySelectorAll("img")) show(image, image.dataset.kind);
  const original = $("panes").querySelector("img[data-kind=HR]");
  original.decode().then(() => {
    const shape = `${original.naturalWidth} / ${original.naturalHeight}`;
    for (const pane of viewer.querySelectorAll(".pane")) pane.style.aspectRatio = shape;
    fit();
  });
  $("picture-name").textContent = picture.id;
  for (const caption of $("panes").querySelectorAll("small")) caption.textContent = picture.captions[caption.dataset.kind];
  for (const [i, row] of [...$("scores").rows].entries()) {
    for (const [k, { text, best }] of picture.scores[i].entries()) {
      row.cells[k + 1].textContent = text;
      row.cells[k + 1].classList.toggle("best", best);
    }
  }
}

// --- zoom and position, the same for all ---

function apply() {
  view.zoom = clamp(view.zoom, 1, LARGEST_ZOOM);
  view.x = clamp(view.x, 1 - view.zoom, 0);
  view.y = clamp(view.y, 1 - view.zoom, 0);
  for (const name of ["zoom", "x", "y"]) viewer.style.setProperty(`--${name}`, view[name]);
  viewer.classList.toggle("zoomed", view.zoom > 1);
  $("zoom").value = `${Number(view.zoom.toFixed(1))}×`;
  $("zoom-out").disabled = $("zoom-reset").disabled = view.zoom === 1;
  $("zoom-in").disabled = view.zoom === LARGEST_ZOOM;
  sharpen();
}

// Enlarged pixels are squares; a picture shown about as large as it is would lose lines that way.
function sharpen() {
  for (const image of viewer.querySelectorAll(".pane img")) {
    const factor = (image.parentElement.clientWidth * view.zoom * devicePixelRatio) / image.naturalWidth;
    image.classList.toggle("crisp", factor >= 1.9);
  }
}

// The stage shows whole multiples of pixels where that costs little width.
function fit() {
  const image = $("right-image").dataset.shown === "LR" ? $("panes").querySelector("img[data-kind=HR]") : $("right-image");
  const room = stage.parentElement.clientWidth, unit = image.naturalWidth / devicePixelRatio;
  const whole = Math.floor(room / unit) * unit;
  stage.parentElement.style.setProperty("--stage", whole > 0.8 * room ? `${whole}px` : "none");
  apply();
}

// Zoom so that the point (u, v) of a pane, from 0 to 1, stays where it is.
function zoomAt(zoom, u = 0.5, v = 0.5) {
  const wanted = clamp(zoom, 1, LARGEST_ZOOM), factor = wanted / view.zoom;
  Object.assign(view, { zoom: wanted, x: u - (u - view.x) * factor, y: v - (v - view.y) * factor });
  apply();
}

function pan(du, dv) {
  view.x += du;
  view.y += dv;
  apply();
}

// --- the boundary ---

function setSplit(percent) {
  view.split = clamp(percent, 0, 100);
  stage.style.setProperty("--split", `${view.split}%`);
  divider.setAttribute("aria-valuenow", Math.round(view.split));
  divider.setAttribute("aria-valuetext", `${Math.round(view.split)} % ${DATA.names[$("left").value]}`);
}

const STEPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -100, End: 100 };
divider.addEventListener("keydown", (event) => {
  if (!(event.key in STEPS) || event.ctrlKey || event.metaKey || event.altKey) return;
  setSplit(view.split + STEPS[event.key] * (event.shiftKey ? 10 : 1));
  event.preventDefault();
  event.stopPropagation();
});

// --- pointers: one moves the boundary or the picture, two pinch ---

function followPointers(pane) {
  const pointers = new Map();
  let moving = null;
  const place = (event) => {
    const box = pane.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  const spread = () => {
    const [one, other] = [...pointers.values()];
    return { distance: Math.hypot(one[0] - other[0], one[1] - other[1]), u: (one[0] + other[0]) / 2, v: (one[1] + other[1]) / 2 };
  };
  pane.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    pane.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, place(event));
    const grabbed = event.target.closest("#divider");
    moving = grabbed || (pane === stage && view.zoom === 1) ? "boundary" : "picture";
    // A finger may be about to scroll the page.
    if (moving === "boundary" && (grabbed || event.pointerType === "mouse")) setSplit(place(event)[0] * 100);
    (moving === "boundary" ? divider : stage).focus({ preventScroll: true, focusVisible: false });
    event.preventDefault();
  });
  pane.addEventListener("pointermove", (event) => {
    if (!pointers.has(event.pointerId)) return;
    const before = pointers.get(event.pointerId), now = place(event);
    if (pointers.size === 2) {
      moving = "picture"; // also what the finger does that stays
      const old = spread();
      pointers.set(event.pointerId, now);
      const { distance, u, v } = spread();
      zoomAt(view.zoom * (distance / (old.distance || 1)), old.u, old.v);
      pan(u - old.u, v - old.v);
      return;
    }
    pointers.set(event.pointerId, now);
    if (moving === "boundary") setSplit(now[0] * 100);
    else pan(now[0] - before[0], now[1] - before[1]);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    pane.addEventListener(end, (event) => pointers.delete(event.pointerId));
  }
  pane.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoomAt(view.zoom * Math.exp(-event.deltaY / 200), ...place(event));
  }, { passive: false });
  pane.addEventListener("dblclick", (event) => zoomAt(view.zoom > 1 ? 1 : 4, ...place(event)));
}

// --- keys and buttons ---

const PANS = { ArrowLeft: [0.1, 0], ArrowRight: [-0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };
viewer.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select")) return;
  if (event.key === "+" || event.key === "=") zoomAt(view.zoom * 2);
  else if (event.key === "-") zoomAt(view.zoom / 2);
  else if (event.key === "0") zoomAt(1);
  else if (event.key in PANS && event.target === stage && view.zoom > 1) pan(...PANS[event.key]);
  else return;
  event.preventDefault();
});
$("zoom-in").addEventListener("click", () => zoomAt(view.zoom * 2));
$("zoom-out").addEventListener("click", () => zoomAt(view.zoom / 2));
$("zoom-reset").addEventListener("click", () => zoomAt(1));

for (const side of ["left", "right"]) $(side).addEventListener("change", showPicture);
for (const [i, input] of $("thumbnails").querySelectorAll("input").entries()) {
  input.nextElementSibling.src = DATA.pictures[i].src.HR;
  input.addEventListener("change", showPicture);
}
for (const pane of viewer.querySelectorAll(".pane")) followPointers(pane);
showPicture();
setSplit(50);
new ResizeObserver(fit).observe(stage.parentElement);
