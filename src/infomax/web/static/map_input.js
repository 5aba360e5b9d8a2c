// Mouse, touch and keys on the map.

const DRAG_THRESHOLD = 4; // pixels that a pointer moves before a click becomes a drag
const DOUBLE_CLICK_DELAY = 260; // milliseconds in which a second click may follow, before an image opens
const TOUCH_REACH = 24; // pixels around a touch within which a point is found
const WHEEL_LINE = 16; // pixels of one line, for mice that scroll by lines
const WHEEL_SPEED = 0.002; // zoom per pixel of the wheel, as a logarithm
const PINCH_SPEED = 0.01; // the same for a pinch on a touchpad, which arrives as a wheel event with the control key
const PAN_STEP = 60; // pixels that an arrow key moves the map
const KEY_ZOOM = 1.4; // factor of the plus and minus keys
const DOUBLE_CLICK_ZOOM = 2;

// One finger or the mouse moves the map, two fingers zoom. With Shift, or in lasso mode, it draws a line around images.
// A pointer that has not moved selects or opens a point, twice it zooms.
// actions: select(i), open(i), lasso(line) for a closed line in pixels, isLassoMode().
export function listenToPointer(canvas, plot, actions) {
  const pressed = new Map(); // last position of each pressed pointer
  let distance = 0; // pixels moved since the first pointer was pressed
  let lastClick = null;

  const positionOf = (event) => {
    const box = canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    pressed.set(event.pointerId, positionOf(event));
    if (pressed.size > 1) {
      plot.lasso = null;
      return;
    }
    distance = 0;
    if (event.shiftKey || actions.isLassoMode()) plot.lasso = [positionOf(event)];
  });
  canvas.addEventListener("pointermove", (event) => {
    const now = positionOf(event);
    const before = pressed.get(event.pointerId);
    if (!before) {
      if (event.pointerType === "mouse") actions.select(plot.nearest(...now));
      return;
    }
    distance += Math.hypot(now[0] - before[0], now[1] - before[1]);
    if (pressed.size > 1) {
      const other = [...pressed].find(([id]) => id !== event.pointerId)[1];
      pinch(plot, other, before, now);
      distance = Infinity;
    } else if (plot.lasso) {
      plot.lasso.push(now);
      plot.redraw();
    } else if (distance > DRAG_THRESHOLD) {
      plot.move((viewport) => viewport.pan(now[0] - before[0], now[1] - before[1]));
    }
    if (distance > DRAG_THRESHOLD) actions.select(-1);
    if (distance > DRAG_THRESHOLD || plot.lasso) pressed.set(event.pointerId, now);
  });
  canvas.addEventListener("pointerup", (event) => {
    if (!pressed.delete(event.pointerId)) return;
    const line = plot.lasso;
    plot.lasso = null;
    if (distance <= DRAG_THRESHOLD) click(event);
    else if (line) {
      plot.redraw();
      actions.lasso(line);
    }
  });
  // The first of two clicks must not leave the map, so an image opens only when no second click has followed.
  const click = (event) => {
    const [x, y] = positionOf(event);
    const isTouch = event.pointerType === "touch";
    if (lastClick && Math.hypot(lastClick.x - x, lastClick.y - y) < TOUCH_REACH) {
      clearTimeout(lastClick.timer);
      lastClick = null;
      plot.move((viewport) => viewport.zoomBy(DOUBLE_CLICK_ZOOM, x, y));
      return;
    }
    const i = plot.nearest(x, y, isTouch ? TOUCH_REACH : undefined);
    if (isTouch) actions.select(i);
    const finish = () => {
      lastClick = null;
      if (!isTouch) actions.open(i);
    };
    lastClick = { x, y, timer: setTimeout(finish, DOUBLE_CLICK_DELAY) };
  };
  canvas.addEventListener("pointercancel", (event) => {
    pressed.delete(event.pointerId);
    plot.lasso = null;
    plot.redraw();
  });
  canvas.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse" && !pressed.size && document.activeElement !== canvas) actions.select(-1);
  });
  const zoomByWheel = (event) => {
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? WHEEL_LINE : 1);
    const factor = Math.exp(-pixels * (event.ctrlKey ? PINCH_SPEED : WHEEL_SPEED));
    plot.move((viewport) => viewport.zoomBy(factor, ...positionOf(event)));
    actions.select(plot.nearest(...positionOf(event)));
  };
  canvas.addEventListener("wheel", zoomByWheel, { passive: false });
}

// Zoom around the middle of two fingers, one of which has moved.
function pinch(plot, other, before, now) {
  const distanceTo = (position) => Math.max(1, Math.hypot(position[0] - other[0], position[1] - other[1]));
  const middle = [(now[0] + other[0]) / 2, (now[1] + other[1]) / 2];
  plot.move((viewport) => {
    viewport.zoomBy(distanceTo(now) / distanceTo(before), ...middle);
    viewport.pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
  });
}

// What each key does. actions: select(i), open(i), toggleLasso().
export function keyBindings(canvas, plot, { select, open, toggleLasso }) {
  const { viewport } = plot;
  const pointInTheMiddle = () => plot.nearest(viewport.middleX, viewport.middleY, viewport.height / 3);
  const moving = (change) => () => {
    plot.move(change);
    plot.draw(); // the thumbnails at the new place, one of which is selected
    select(pointInTheMiddle());
  };
  const zoomIn = moving(() => viewport.zoomBy(KEY_ZOOM));
  return {
    ArrowLeft: moving(() => viewport.pan(PAN_STEP, 0)),
    ArrowRight: moving(() => viewport.pan(-PAN_STEP, 0)),
    ArrowUp: moving(() => viewport.pan(0, PAN_STEP)),
    ArrowDown: moving(() => viewport.pan(0, -PAN_STEP)),
    "+": zoomIn,
    "=": zoomIn, // the plus key without shift
    "-": moving(() => viewport.zoomBy(1 / KEY_ZOOM)),
    0: moving(() => viewport.reset()),
    l: toggleLasso,
    L: toggleLasso,
    Enter: (event) => {
      if (event.target === canvas) open(plot.selected >= 0 ? plot.selected : pointInTheMiddle());
      else event.target.click?.();
    },
  };
}
