"use strict";
function value(cell) {
  return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
}
function order(a, b) {
  const number = typeof a === "number", other = typeof b === "number";
  if (number && other) return a - b;
  return String(a).localeCompare(String(b), undefined, { numeric: true });
}
document.querySelectorAll("table.sortable").forEach((table) => {
  const heads = [...table.querySelectorAll("th")];
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach((each) => each.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => {
        const one = value(a.cells[column]), other = value(b.cells[column]);
        if (one === "" || other === "") return (one === "") - (other === "");
        return (up ? 1 : -1) * order(one, other);
      });
      table.tBodies[0].append(...rows);
    });
  });
});
const theme = document.getElementById("theme");
theme.hidden = false;
theme.addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
const only = document.getElementById("only");
if (only) {
  only.addEventListener("change", () => {
    document.querySelectorAll("section.condition").forEach((section) => {
      section.hidden = only.value !== "" && section.dataset.key !== only.value;
    });
  });
}

const summary = JSON.parse(document.getElementById("data").textContent);
function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
function quoted(value) {
  const text = value === null || value === undefined ? "" : String(value);
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
function csv(records) {
  const names = [...new Set(records.flatMap(Object.keys))];
  const rows = records.map((record) => names.map((name) => quoted(record[name])).join(","));
  return [names.map(quoted).join(","), ...rows, ""].join("\n");
}
const summaries = {
  csv: () => [csv(summary.records), "text/csv"],
  json: () => [JSON.stringify(summary.records, null, 1), "application/json"],
  md: () => [summary.markdown, "text/markdown"],
};
function standalone(drawing) {
  const style = getComputedStyle(document.documentElement);
  const copy = drawing.cloneNode(true);
  const box = drawing.viewBox.baseVal;
  copy.setAttribute("width", box.width);
  copy.setAttribute("height", box.height);
  copy.setAttribute("font-family", "Helvetica, Arial, sans-serif");
  const text = new XMLSerializer().serializeToString(copy);
  const coloured = text.replace(/var\((--[a-z0-9-]+)\)/g, (_, name) => style.getPropertyValue(name).trim());
  return [coloured, box.width, box.height];
}
async function png(text, width, height) {
  const image = new Image();
  image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(text);
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [2 * width, 2 * height];
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/png"));
}
document.querySelectorAll(".export").forEach((buttons) => {
  buttons.hidden = false;
  buttons.addEventListener("click", async (event) => {
    const as = event.target.dataset.as;
    if (!as) return;
    if (buttons.id === "summary") {
      const [text, type] = summaries[as]();
      save(new Blob([text], { type }), `summary.${as}`);
      return;
    }
    const [text, width, height] = standalone(buttons.closest("figure").querySelector("svg"));
    const blob = as === "svg" ? new Blob([text], { type: "image/svg+xml" }) : await png(text, width, height);
    save(blob, `${buttons.dataset.key}.${as}`);
  });
});
