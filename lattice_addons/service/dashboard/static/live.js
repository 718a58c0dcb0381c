// An open page asks for itself again when the server says that something has changed, and takes over what is new.
// Without this script every page works by loading it again.
(() => {
  "use strict";
  const steps = [[120, 1, "s"], [120, 60, "min"], [48, 3600, "h"], [Infinity, 86400, "days"]];

  function duration(seconds) {
    if (seconds < 9.95) return seconds.toFixed(1) + " s";
    for (const [most, length, unit] of steps) {
      if (Math.round(seconds / length) < most) return Math.round(seconds / length) + " " + unit;
    }
  }

  // The clock of the server counts: the browser's may be another one.
  let ahead = 0;
  function tick() {
    const now = Date.now() + ahead;
    for (const each of document.querySelectorAll("time[data-ago]")) {
      each.textContent = duration(Math.max(now - Date.parse(each.dateTime), 0) / 1000) + " ago";
    }
    for (const each of document.querySelectorAll("[data-since]")) {
      each.textContent = duration(Math.max(now - Date.parse(each.dataset.since), 0) / 1000);
    }
  }

  // What each part was when the server gave it: since then a script may have drawn there.
  const texts = new WeakMap();
  for (const each of document.querySelectorAll("[data-live]")) texts.set(each, each.innerHTML);

  function takeOver(page) {
    let changed = false;
    for (const fresh of page.querySelectorAll("[data-live]")) {
      const here = document.querySelector(`[data-live="${fresh.dataset.live}"]`);
      if (!here) { location.reload(); return; }
      if ("wait" in fresh.dataset) here.dataset.wait = fresh.dataset.wait; else delete here.dataset.wait;
      const text = fresh.innerHTML;
      if (texts.get(here) === text) continue;
      const focused = here.contains(document.activeElement) ? pathTo(here, document.activeElement) : null;
      const open = [...here.querySelectorAll("details")].map((each) => each.open);
      const picked = [...here.querySelectorAll("input:checked")].map((each) => [each.name, each.value]);
      const edited = [...here.querySelectorAll("input:not([type=hidden]):not([type=radio]), select, textarea")]
        .filter((each) => each.value !== written(each)).map((each) => [each.name, each.value]);
      const scrolled = [...here.querySelectorAll(".scroll")].map((each) => each.scrollLeft);
      here.replaceChildren(...document.importNode(fresh, true).childNodes);
      texts.set(here, text);
      const details = here.querySelectorAll("details");
      if (details.length === open.length) details.forEach((each, at) => { each.open = open[at]; });
      // What was picked stays picked, where it is still there.
      for (const each of here.querySelectorAll("input[type=radio]")) {
        if (picked.some(([name, value]) => name === each.name && value === each.value)) each.checked = true;
      }
      // And what somebody is writing stays written.
      for (const [name, value] of edited) {
        for (const each of here.querySelectorAll("input, select, textarea")) if (each.name === name) each.value = value;
      }
      here.querySelectorAll(".scroll").forEach((each, at) => { each.scrollLeft = scrolled[at] || 0; });
      if (focused) follow(here, focused)?.focus({ preventScroll: true });
      changed = true;
    }
    document.title = page.title;
    awaitAnswer();
    if (changed) document.dispatchEvent(new Event("lattice:changed"));
    tick();
  }

  // What the server gave a field.
  function written(field) {
    return field.options ? [...field.options].find((each) => each.defaultSelected)?.value : field.defaultValue;
  }

  // Who has the keyboard somewhere keeps it there.
  function pathTo(top, node) {
    const path = [];
    for (; node !== top; node = node.parentNode) path.unshift([...node.parentNode.children].indexOf(node));
    return path;
  }
  function follow(top, path) {
    return path.reduce((node, at) => node?.children[at], top);
  }

  let asked = null;
  async function refresh(address) {
    asked?.abort();
    const mine = (asked = new AbortController());
    try {
      const answer = await fetch(address, { signal: mine.signal, headers: { accept: "text/html" } });
      if (answer.redirected) { location.reload(); return; }
      const date = Date.parse(answer.headers.get("date"));
      // To the second, as servers tell it; nearer than that no two clocks need be.
      if (date) ahead = Math.abs(date - Date.now()) > 2000 ? date - Date.now() : 0;
      if (answer.ok) takeOver(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch (error) {
      if (error.name !== "AbortError") { setLive(false); awaitAnswer(); }
    }
  }

  const live = document.getElementById("live");
  function setLive(on) {
    if (!live) return;
    live.hidden = false;
    const told = on ? "live" : "not live: the server does not answer";
    if (live.textContent !== told) live.textContent = told;
    live.classList.toggle("off", !on);
  }

  // An answer of a program comes between two of its saves: it is looked for while it is waited for.
  let looks = 0;
  function awaitAnswer() {
    clearTimeout(looks);
    const waits = document.querySelector("[data-wait]");
    if (waits) looks = setTimeout(changed, Number(waits.dataset.wait) || 700);
  }

  let missed = false, last = -Infinity, later = 0;
  function changed() {
    // A page that nobody looks at waits; many changes at once are one.
    if (document.hidden) { missed = true; return; }
    clearTimeout(later);
    const wait = Math.max(0, 1000 - (performance.now() - last));
    later = setTimeout(() => { last = performance.now(); refresh(location.href); }, wait);
  }
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && missed) { missed = false; changed(); }
  });

  if (document.body.dataset.events) {
    const source = new EventSource(document.body.dataset.events);
    let opened = false;
    source.onopen = () => { setLive(true); if (opened) changed(); opened = true; };
    source.onerror = () => { if (source.readyState === EventSource.CLOSED) setLive(false); };
    source.addEventListener("changed", changed);
    addEventListener("pagehide", () => source.close());
  }

  // Searching, filtering and sorting without loading the page anew.
  const form = document.querySelector("form[data-filter]");
  function go(address, replace) {
    history[replace ? "replaceState" : "pushState"](null, "", address);
    refresh(address);
  }
  if (form) {
    let typed = 0;
    const address = () => {
      const now = new URLSearchParams(location.search);
      now.delete("page");
      const text = form.elements.q.value;
      if (text) now.set("q", text); else now.delete("q");
      return form.getAttribute("action") + (now.size ? "?" + now : "");
    };
    form.addEventListener("input", () => {
      clearTimeout(typed);
      typed = setTimeout(() => go(address(), true), 150);
    });
    form.addEventListener("submit", (event) => { event.preventDefault(); go(address(), true); });
    addEventListener("popstate", () => {
      form.elements.q.value = new URLSearchParams(location.search).get("q") || "";
      refresh(location.href);
    });
    document.addEventListener("click", (event) => {
      const link = event.target.closest?.("a[data-swap], .pager a");
      if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || link.origin !== location.origin) return;
      if (link.pathname !== location.pathname) return;
      event.preventDefault();
      go(link.href, false);
    });
    // As many sites have it: a slash goes to the search.
    document.addEventListener("keydown", (event) => {
      if (event.key === "/" && !event.target.closest("input, select, textarea")) {
        event.preventDefault();
        form.elements.q.focus();
      }
    });
  }
  awaitAnswer();
  setInterval(tick, 1000);
})();
