// Puts a line that can be read at every point, and zoomed into, in the place of the one that the server drew.
(() => {
  "use strict";
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];

  function amount(value, unit) {
    if (value === null || value === undefined) return "";
    if (unit === "bytes") {
      let at = 0;
      while (Math.abs(value) >= 1024 && at < units.length - 1) { value /= 1024; at++; }
      return (at ? value.toFixed(1) : value.toFixed(0)) + " " + units[at];
    }
    if (unit === "seconds") return value < 1 ? +(value * 1000).toPrecision(3) + " ms" : +value.toPrecision(3) + " s";
    const text = Number.isInteger(value) && Math.abs(value) < 1e15 ? value.toLocaleString("en") : String(+value.toPrecision(5));
    return text;
  }

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  const drawn = new Set();
  const watch = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const width = target.clientWidth;
      if (target.plot && width && width !== target.plot.width) target.plot.setSize({ width, height: 132 });
    }
  });

  function draw(figure) {
    const points = JSON.parse(figure.dataset.points);
    if (points.length < 2) return;
    const { unit, name } = figure.dataset;
    const box = figure.querySelector(".plot");
    const still = box.querySelector("svg");
    const told = figure.querySelector("strong");
    const last = told.textContent;
    const axis = {
      stroke: colour("--faint"), font: "11px system-ui, sans-serif", grid: { stroke: colour("--line"), width: 1 },
      ticks: { show: false },
    };
    const plot = new uPlot({
      width: box.clientWidth, height: 132, pxAlign: 0, padding: [8, 8, 0, 0],
      scales: { x: { time: false } },
      cursor: { y: false, points: { size: 7 } },
      axes: [
        { ...axis, size: 22, gap: 3, grid: { show: false }, values: (_, ticks) => ticks.map((each) => Number.isInteger(each) ? "#" + each : "") },
        { ...axis, size: 58, gap: 4, space: 28, values: (_, ticks) => ticks.map((each) => amount(each, unit)) },
      ],
      series: [{}, { label: name, stroke: colour("--blue"), width: 1.75, points: { show: points.length < 30, size: 5 } }],
      hooks: {
        setCursor: [(self) => {
          const at = self.cursor.idx;
          told.textContent = at === null || at === undefined ? last : `#${self.data[0][at]}: ${amount(self.data[1][at], unit)}`;
        }],
      },
    }, [points.map((each) => each[0]), points.map((each) => each[1])], box);
    // Who hears the page still has the server's words for it.
    still.classList.add("hidden");
    plot.root.setAttribute("aria-hidden", "true");
    figure.classList.add("drawn");
    box.plot = plot;
    watch.observe(box);
    drawn.add(box);
  }

  function drawAll() {
    for (const box of drawn) {
      if (!box.isConnected) { watch.unobserve(box); box.plot.destroy(); drawn.delete(box); }
    }
    for (const figure of document.querySelectorAll(".chart:not(.drawn)")) draw(figure);
  }

  function again() {
    for (const box of drawn) {
      box.plot.destroy();
      box.closest(".chart").classList.remove("drawn");
      box.querySelector("svg").classList.remove("hidden");
      watch.unobserve(box);
    }
    drawn.clear();
    drawAll();
  }

  drawAll();
  document.addEventListener("lattice:changed", drawAll);
  // A canvas does not follow when the colours of the system change.
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
})();
