"use strict";
// Shows a moment of the history: looks up each session's last change and writes it down. All text goes in as text.
(() => {
  const data = JSON.parse(document.getElementById("history").textContent);
  const last = data.steps.length;
  const byId = (id) => document.getElementById(id);
  const [slider, lanes] = [byId("moment"), byId("lanes-scroll")];
  const chains = document.querySelectorAll(".chain");
  let moment = -1;

  const element = (tag, className, ...children) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    made.append(...children);
    return made;
  };

  const changeAt = (changes, moment) => {
    let [low, high] = [0, changes.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (changes[middle].at <= moment) low = middle;
      else high = middle;
    }
    return changes[low];
  };

  const and = (names) => (names.length ? names.join(" and ") : "no session");
  const statement = ([step, place]) => data.steps[step].statements[place];

  const TRANSACTION = { idle: "no transaction", open: "in a transaction", failed: "transaction failed", lost: "connection lost" };
  const DOING = { "not-begun": "not begun", sleeps: "backs off", ended: "done" };
  const FATE = { pending: "not committed", committed: "committed", "rolled-back": "rolled back", unknown: "nobody knows whether committed" };

  const STANDS = { first: "at first", "to-come": "not written yet", pending: "not committed", committed: "committed", "rolled-back": "rolled back" };

  const badges = (change) => {
    const made = [];
    if (change.doing.waits) made.push(element("span", "badge waits", `waits for ${and(change.doing.waits)}`));
    else if (DOING[change.doing]) made.push(element("span", "badge", DOING[change.doing]));
    const over = change.doing === "ended" || change.doing === "not-begun";
    if (!over || change.transaction !== "idle") {
      made.push(element("span", `badge ${change.transaction}`, TRANSACTION[change.transaction]));
    }
    return made;
  };

  const operations = (session, change) => {
    const items = session.operations.map((operation, index) => {
      const name = `${session.name}${index + 1} ${operation.words}`;
      if (index < change.ended) {
        return element("li", "", name, element("span", "ending", ` ${operation.outcome ?? ""}`));
      }
      const runs = index === change.ended && change.begun;
      return element("li", runs ? "runs" : "to-come", name);
    });
    return element("ol", "", ...items);
  };

  const rows = (answer) => {
    const head = element("tr", "", ...answer.columns.map((name) => element("th", "", name)));
    const cell = (value) => (value === null ? element("td", "null", "NULL") : element("td", "", value));
    const body = answer.rows.map((row) => element("tr", "", ...row.map(cell)));
    if (answer.more) body.push(element("tr", "", element("td", "null", `and ${answer.more} more`)));
    for (const th of head.children) th.scope = "col";
    return element("div", "read-scroll", element("table", "read", element("thead", "", head), element("tbody", "", ...body)));
  };

  const facts = (change) => {
    const list = element("dl", "");
    const fact = (name, ...content) => list.append(element("dt", "", name), element("dd", "", ...content));
    if (change.step !== null) {
      const step = data.steps[change.step];
      const over = !change.doing.waits;
      const lines = step.statements?.map((one) => over || one !== step.statements.at(-1) ? `${one.text}  ${one.result}` : one.text);
      const shown = (lines ?? [step.wakes]).map((line) => element("code", "", line));
      const error = step.statements?.at(-1)?.error;
      if (over && error) shown.push(element("code", "", error));
      fact(`Last step: ${change.step + 1}`, ...shown);
    }
    if (change.read) {
      const answer = statement(change.read);
      const shown = answer.rows.length ? rows(answer) : element("span", "none", "no row");
      fact(`Last read, at step ${change.read[0] + 1}`, element("code", "", answer.text), shown);
    }
    if (change.wrote.length) {
      const wrote = change.wrote.map((place) => {
        const one = statement(place);
        return element("code", "", `${place[0] + 1}  ${one.text}  ${one.result}`);
      });
      if (change.earlier) wrote.unshift(element("span", "none", `${change.earlier} earlier`));
      fact(`Wrote, ${FATE[change.fate]}`, ...wrote);
    }
    return list;
  };

  const card = (session, change, goes, marked) => {
    const head = element("div", "card-head", element("h3", "", session.name), ...badges(change));
    const made = element("article", "card", head, operations(session, change), facts(change));
    made.setAttribute("aria-label", `Session ${session.name}`);
    if (goes) made.classList.add("goes");
    if (goes && marked) made.classList.add("marked");
    return made;
  };

  const said = (step) => {
    if (!step) return [element("span", "place", "The beginning"), "no session has taken a step"];
    const text = step.statements ? step.statements.map((one) => one.text).join("; ") : step.wakes;
    const marked = step.marked ? ", named by the evidence" : "";
    const place = element("span", "place", `Step ${moment} of ${last}${marked}`);
    return [place, `${data.sessions[step.session].name}: `, element("code", "", text)];
  };

  // The names of the sessions stay in sight, in the same frame as what scrolls below them.
  const keepNames = () => lanes.querySelector(".names").setAttribute("transform", `translate(${lanes.scrollLeft} 0)`);

  const scrollTo = (left) => {
    lanes.scrollLeft = left;
    keepNames();
  };

  const follow = () => {
    for (const row of document.querySelectorAll("tr.now")) row.classList.remove("now");
    byId(`row-${moment}`)?.classList.add("now");
    const now = lanes.querySelector(".now");
    const box = lanes.querySelector(`[data-step="${moment}"]:not(.resumes) .box`);
    if (!box) {
      now.setAttribute("x", -500);
      scrollTo(0);
      return;
    }
    const [x, width, column] = [box, box, now].map((one, index) => Number(one.getAttribute(index ? "width" : "x")));
    now.setAttribute("x", x - (column - width) / 2);
    const [left, right] = [x - 64 - column, x + 2 * column - lanes.clientWidth];
    if (lanes.scrollLeft > left) scrollTo(left);
    else if (lanes.scrollLeft < right) scrollTo(right);
  };

  // Which of a list of [moment, what] holds at a moment.
  const heldAt = (changes, moment) => changes.findLast(([from]) => from <= moment)[1];

  const showRow = (row, place) => {
    const box = chains[place];
    const seers = row.versions.map(() => []);
    const blind = [];
    row.seen.forEach((changes, session) => {
      const at = heldAt(changes, moment);
      (at === null ? blind : seers[at]).push(data.sessions[session].name);
    });
    [...box.querySelectorAll("li")].forEach((item, index) => {
      const [written, decided, became] = row.versions[index];
      const now = moment < written ? "to-come" : moment < decided ? "pending" : became;
      item.className = seers[index].length ? `${now} is-seen` : now;
      item.querySelector(".fate").textContent = STANDS[now];
      const tags = seers[index].map((name) => element("b", "seer", name));
      if (tags.length) tags.unshift(element("span", "", "seen by "));
      item.querySelector(".seen").replaceChildren(...tags.flatMap((tag, at) => (at > 1 ? [" ", tag] : [tag])));
    });
    box.querySelector(".blind").textContent = blind.length ? `Not there for ${and(blind)}.` : "";
  };

  const show = (wanted) => {
    const next = Math.min(last, Math.max(0, wanted));
    if (next === moment) return;
    moment = next;
    const step = data.steps[moment - 1];
    const changes = data.sessions.map((session) => changeAt(session.changes, moment));
    slider.value = moment;
    const who = step ? `, ${data.sessions[step.session].name}` : "";
    slider.setAttribute("aria-valuetext", moment ? `step ${moment} of ${last}${who}` : "the beginning");
    byId("what").replaceChildren(...said(step));
    byId("what").className = step?.marked ? "marked" : "";
    const waits = changes.flatMap((change, index) =>
      change.doing.waits ? [`${data.sessions[index].name} waits for ${and(change.doing.waits)}.`] : []);
    byId("whom").textContent = waits.join(" ") || "No session waits.";
    byId("cards").replaceChildren(...data.sessions.map((session, index) =>
      card(session, changes[index], step?.session === index, step?.marked)));
    data.rows.forEach(showRow);
    for (const id of ["first", "back"]) byId(id).setAttribute("aria-disabled", moment === 0);
    for (const id of ["forth", "last"]) byId(id).setAttribute("aria-disabled", moment === last);
    follow();
  };

  const goTo = (wanted) => {
    show(wanted);
    history.replaceState(null, "", `#step=${moment}`);
  };

  const fromAddress = () => {
    const found = /^#step=(\d+)$/.exec(location.hash);
    return found ? Number(found[1]) : null;
  };

  const EVERYWHERE = { ArrowLeft: () => moment - 1, ArrowRight: () => moment + 1 };
  const IN_WALK = { Home: () => 0, End: () => last };

  document.addEventListener("keydown", (event) => {
    const inWalk = event.target.closest?.("#walk");
    const region = event.target.closest?.(".scroll");
    // A table that is wider than its region is scrolled with the same keys; the lanes scroll along by themselves.
    if (region && region !== lanes) return;
    const key = EVERYWHERE[event.key] ?? (inWalk && IN_WALK[event.key]);
    if (!key || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    goTo(key());
  });
  slider.addEventListener("input", () => goTo(Number(slider.value)));
  byId("first").addEventListener("click", () => goTo(0));
  byId("back").addEventListener("click", () => goTo(moment - 1));
  byId("forth").addEventListener("click", () => goTo(moment + 1));
  byId("last").addEventListener("click", () => goTo(last));
  lanes.addEventListener("click", (event) => {
    const box = event.target.closest("[data-step]");
    if (box) goTo(Number(box.dataset.step));
  });
  lanes.addEventListener("scroll", keepNames);
  addEventListener("resize", follow);
  addEventListener("hashchange", () => {
    const wanted = fromAddress();
    if (wanted === null) return;
    show(wanted);
    byId("walk").scrollIntoView({ block: "nearest" });
  });

  slider.max = last;
  byId("walker").hidden = false;
  if (chains.length) byId("now-seen").hidden = false;
  show(fromAddress() ?? data.opens);
})();
