// Mouse, touch and keys on the map.

const DRAG_THRESHOLD = 4; // pixels that a pointer moves before a click becomes a drag
const TOUCH_REACH = 24; // pixels around a touch within which a point is found
const WHEEL_LINE = 16; // pixels of one line, for mice that scroll by lines
const WHEEL_SPEED = 0.002; // zoom per pixel of the wheel, as a logarithm
const PINCH_SPEED = 0.01; // the same for a pinch on a touchpad, which arrives as a wheel event with the control key
const PAN_STEP = 60; // pixels that an arrow key moves the map
const ZOOM_STEP = 1.4; // factor of the plus and minus keys

// One finger or the mouse moves the map, two fingers zoom. A pointer that has not moved selects or opens a point.
export function listenToPointer(canvas, plot, { select, open }) {
  const pressed = new Map(); // last position of each pressed pointer
  let distance = 0; // pixels moved since the first pointer was pressed

  const positionOf = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pressed.set(event.pointerId, positionOf(event));
    if (pressed.size === 1) distance = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const now = positionOf(event);
    const before = pressed.get(event.pointerId);
    if (!before) {
      if (event.pointerType === "mouse") select(plot.nearest(...now));
      return;
    }
    distance += Math.hypot(now[0] - before[0], now[1] - before[1]);
    if (pressed.size === 1) {
      if (distance > DRAG_THRESHOLD) {
        plot.pan(now[0] - before[0], now[1] - before[1]);
        select(-1);
      }
    } else {
      const other = [...pressed].find(([id]) => id !== event.pointerId)[1];
      pinch(plot, other, before, now);
      distance = Infinity;
      select(-1);
    }
    if (distance > DRAG_THRESHOLD) pressed.set(event.pointerId, now);
  });
  canvas.addEventListener("pointerup", (event) => {
    pressed.delete(event.pointerId);
    if (distance > DRAG_THRESHOLD) return;
    const isTouch = event.pointerType === "touch";
    const i = plot.nearest(...positionOf(event), isTouch ? TOUCH_REACH : undefined);
    if (isTouch) select(i);
    else open(i);
  });
  canvas.addEventListener("pointercancel", (event) => pressed.delete(event.pointerId));
  canvas.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse" && !pressed.size && document.activeElement !== canvas) select(-1);
  });
  const zoomByWheel = (event) => {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? WHEEL_LINE : 1);
    plot.zoom(Math.exp(-pixels * (event.ctrlKey ? PINCH_SPEED : WHEEL_SPEED)), ...positionOf(event));
    select(plot.nearest(...positionOf(event)));
  };
  canvas.addEventListener("wheel", zoomByWheel, { passive: false });
}

// Zoom around the middle of two fingers, one of which has moved.
function pinch(plot, other, before, now) {
  const distanceTo = (position) => Math.max(1, Math.hypot(position[0] - other[0], position[1] - other[1]));
  plot.zoom(distanceTo(now) / distanceTo(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
}

// What each key does.
export function keyBindings(canvas, plot, { select, open }) {
  const pointInTheMiddle = () =>
    plot.nearest(plot.width / 2, plot.height / 2, Math.max(plot.width, plot.height) / 4);
  const thenSelect = (action) => () => {
    action();
    select(pointInTheMiddle());
  };
  const zoomIn = thenSelect(() => plot.zoom(ZOOM_STEP));
  return {
    ArrowLeft: thenSelect(() => plot.pan(PAN_STEP, 0)),
    ArrowRight: thenSelect(() => plot.pan(-PAN_STEP, 0)),
    ArrowUp: thenSelect(() => plot.pan(0, PAN_STEP)),
    ArrowDown: thenSelect(() => plot.pan(0, -PAN_STEP)),
    "+": zoomIn,
    "=": zoomIn, // the plus key without shift
    "-": thenSelect(() => plot.zoom(1 / ZOOM_STEP)),
    0: thenSelect(() => plot.reset()),
    Enter: (event) => {
      if (event.target === canvas) open(plot.selected >= 0 ? plot.selected : pointInTheMiddle());
      else event.target.click?.();
    },
  };
}
