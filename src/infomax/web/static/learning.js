// Learning: how far the features are that search, neighbors and the map need. A slim bar below the header says so.
//
// `features-ready` is dispatched on the document once there are features, and again once they are up to date.

import { request } from "./api.js";
import { announce, element, formatCount, message } from "./elements.js";

const INTERVAL = 1000; // milliseconds between two questions
const WAITING = "Search, neighbors and map are ";
const PATIENCE = 10_000; // milliseconds between two questions while the server does not answer

const bar = document.getElementById("learning");
const search = document.getElementById("choose");
let latest = null;
let dismissed = null; // the remark that the user has closed

// Whether what needs features cannot be shown yet.
export const lacksFeatures = () => latest === null || latest.state === "learning" || latest.state === "failed";

// Ask until nothing is being learned any more.
export async function watchLearning() {
  const before = latest;
  latest = await request("api/learning").catch(() => latest && { ...latest, silent: true });
  if (latest) show();
  const isReady = latest?.state === "ready";
  if (isReady && (before?.state === "learning" || (before?.stage && !latest.stage))) {
    document.dispatchEvent(new CustomEvent("features-ready"));
    announce("Search, neighbors and the map are ready");
  }
  if (latest === null || latest.silent || latest.state === "learning" || latest.stage) {
    setTimeout(watchLearning, latest === null || latest.silent ? PATIENCE : INTERVAL);
  }
}

// What stands in place of a view that needs features.
export function waitingMessage(link) {
  return message("No features yet", element("p", { class: "waiting" }, waitingText()), link);
}

function show() {
  const isBusy = latest.state === "learning" || Boolean(latest.stage);
  const remark = latest.error ?? latest.note;
  bar.hidden = !isBusy && (!remark || remark === dismissed);
  bar.classList.toggle("failed", Boolean(latest.error));
  search.disabled = latest.state === "learning" || latest.state === "failed";
  search.title = search.disabled ? waitingText() : "You can also drop or paste an image";
  for (const each of document.querySelectorAll(".waiting")) each.textContent = waitingText();
  if (bar.hidden) bar.replaceChildren();
  else if (isBusy) showProgress();
  else showRemark(remark);
}

function showProgress() {
  if (!bar.querySelector("progress")) {
    bar.replaceChildren(
      element("progress", { max: 1, "aria-label": "Learning features" }),
      element(
        "p",
        {},
        element("b", {}),
        element("span", { class: "stage" }),
        element("span", { class: "when" }, element("span", { class: "what" }), element("span", { class: "left" })),
      ),
    );
  }
  const progress = bar.querySelector("progress");
  if (latest.part === null) progress.removeAttribute("value");
  else progress.value = latest.part;
  const percent = latest.part === null ? "" : ` ${Math.floor(100 * latest.part)} %`;
  bar.querySelector("b").textContent =
    latest.state === "learning" ? `Learning features${percent}` : `Updating${percent}`;
  bar.querySelector(".stage").textContent = latest.stage ?? "";
  const left = timeLeft();
  bar.querySelector(".what").textContent = latest.state === "learning" ? WAITING : "";
  bar.querySelector(".left").textContent = latest.state === "learning" ? whenReady() : left && `about ${left} left`;
}

function showRemark(remark) {
  if (bar.querySelector(".remark")?.textContent === toSentence(remark)) return;
  const close = () => {
    dismissed = remark;
    show();
  };
  bar.replaceChildren(
    element(
      "p",
      { role: latest.error ? "alert" : "note" },
      element("span", { class: "remark" }, toSentence(remark)),
      element("button", { type: "button", "aria-label": "Close", onclick: close }, "×"),
    ),
  );
}

function waitingText() {
  if (latest?.state === "failed") return `There is no search: ${latest.error}`;
  return `${WAITING}${whenReady()}`;
}

const whenReady = () => (timeLeft() ? `ready in about ${timeLeft()}` : "ready soon");

function timeLeft() {
  const seconds = latest?.seconds_left;
  if (seconds === null || seconds === undefined) return "";
  if (seconds >= 90) return formatCount(Math.round(seconds / 60), "minute");
  return seconds >= 10 ? `${Math.round(seconds / 5) * 5}\u00a0s` : `${Math.max(1, Math.round(seconds))}\u00a0s`;
}

const toSentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith(".") ? "" : "."}`;
