"use strict";

const { figures, templates } = JSON.parse(document.getElementById("figures").textContent);
const plots = [...document.querySelectorAll(".plot")];
const dark = matchMedia("(prefers-color-scheme: dark)");
const config = { displaylogo: false, responsive: true, modeBarButtons: [["toImage"]] };

function draw() {
  const template = templates[dark.matches ? "dark" : "light"];
  plots.forEach((plot, i) => {
    // the buttons above the pictures are their legend
    const layout = { ...figures[i].layout, template, showlegend: false };
    Plotly.react(plot, figures[i].data, layout, config);
  });
}

function sort(header) {
  const table = header.closest("table");
  const ascending = header.getAttribute("aria-sort") !== "ascending";
  const numeric = header.querySelector("button").dataset.kind === "number";
  for (const other of table.querySelectorAll("thead th")) other.setAttribute("aria-sort", "none");
  header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  for (const body of table.tBodies) {
    const rows = [...body.rows].map((row) => [row.cells[header.cellIndex].dataset.value, row]);
    rows.sort(([a], [b]) => {
      if (a === undefined || b === undefined) return (a === undefined) - (b === undefined); // last
      const order = numeric ? a - b : a.localeCompare(b);
      return ascending ? order : -order;
    });
    body.append(...rows.map(([, row]) => row));
  }
}

function toggle(button) {
  const shown = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(shown));
  const stream = button.closest(".stream");
  for (const figure of stream.querySelectorAll("figure")) {
    const plot = figure.querySelector(".plot");
    if (figure.dataset.label === button.dataset.label) {
      figure.hidden = !shown;
      if (shown) Plotly.Plots.resize(plot);
    } else if (figure.dataset.label === "") {
      const name = button.dataset.label;
      const own = plot.data.flatMap((trace, i) => (trace.legendgroup === name ? [i] : []));
      if (own.length) Plotly.restyle(plot, { visible: shown }, own);
    }
  }
}

const tip = document.createElement("div");
tip.id = "tip";
tip.setAttribute("role", "tooltip");
tip.hidden = true;
document.body.append(tip);

function explain(event) {
  const button = event.target.closest?.("[data-tip]");
  tip.hidden = !button?.dataset.tip;
  if (tip.hidden) return;
  tip.textContent = button.dataset.tip;
  button.setAttribute("aria-describedby", "tip");
  const box = button.getBoundingClientRect();
  const left = Math.min(box.left, innerWidth - tip.offsetWidth - 8);
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${box.bottom + 8}px`;
}

async function copy(button) {
  const code = button.parentElement.querySelector("code");
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "copied";
  } catch {
    getSelection().selectAllChildren(code); // no clipboard here: selected, to be copied by hand
    button.textContent = "selected";
  }
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("button");
  if (!button) return;
  if (button.closest("thead")) sort(button.closest("th"));
  else if (button.closest(".switches")) toggle(button);
  else if (button.matches(".copy")) copy(button);
});
for (const kind of ["mouseover", "focusin"]) document.addEventListener(kind, explain);
document.addEventListener("keydown", ({ key }) => { if (key === "Escape") tip.hidden = true; });
dark.addEventListener("change", draw);
draw();
