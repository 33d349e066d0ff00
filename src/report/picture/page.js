"use strict";
// Shows a moment of the history: looks up each session's last change and writes it down. All text goes in as text.
(() => {
  const data = JSON.parse(document.getElementById("history").textContent);
  const last = data.steps.length;
  const byId = (id) => document.getElementById(id);
  const [slider, lanes] = [byId("moment"), byId("lanes-scroll")];
  const [now, names] = [lanes.querySelector(".now"), lanes.querySelector(".names")];
  let moment = -1;

  // What a move looks up again and again in a page of thousands of steps is looked up once.
  const boxes = new Map([...lanes.querySelectorAll("[data-step]:not(.resumes)")].map((step) => [Number(step.dataset.step), step.querySelector(".box")]));
  const chains = [...document.querySelectorAll(".chain")].map((chain) => ({
    blind: chain.querySelector(".blind"),
    versions: [...chain.querySelectorAll("li")].map((item) =>
      ({ item, fate: item.querySelector(".fate"), seen: item.querySelector(".seen"), stands: null, seers: null })),
  }));

  const element = (tag, className, ...children) => {
    const made = document.createElement(tag);
    if (className) made.className = className;
    made.append(...children);
    return made;
  };

  // The last of some changes, ordered by their moments, that is not after a moment.
  const lastBy = (changes, momentOf, moment) => {
    let [low, high] = [0, changes.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (momentOf(changes[middle]) <= moment) low = middle;
      else high = middle;
    }
    return changes[low];
  };
  const changeAt = (changes, moment) => lastBy(changes, (change) => change.at, moment);

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
      const name = operation.words;
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

  const title = (session) => session.called.replace(/^./, (first) => first.toUpperCase());

  const card = (session, change, goes, marked) => {
    const head = element("div", "card-head", element("h3", "", title(session)), ...badges(change));
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
    return [place, `${data.sessions[step.session].called}: `, element("code", "", text)];
  };

  // The names of the sessions stay in sight, in the same frame as what scrolls below them.
  const keepNames = () => names.setAttribute("transform", `translate(${lanes.scrollLeft} 0)`);

  const scrollTo = (left) => {
    lanes.scrollLeft = left;
    keepNames();
  };

  let lit = null;

  const follow = () => {
    lit?.classList.remove("now");
    lit = byId(`row-${moment}`);
    lit?.classList.add("now");
    const box = boxes.get(moment);
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

  // Only what differs from what stands there is written: a long history has thousands of versions, and few change.
  const showVersion = (shown, stands, seers) => {
    const names = seers.join("\n");
    if (shown.stands === stands && shown.seers === names) return;
    [shown.stands, shown.seers] = [stands, names];
    shown.item.className = seers.length ? `${stands} is-seen` : stands;
    shown.fate.textContent = STANDS[stands];
    const tags = seers.map((name) => element("b", "seer", name));
    if (tags.length) tags.unshift(element("span", "", "seen by "));
    shown.seen.replaceChildren(...tags.flatMap((tag, at) => (at > 1 ? [" ", tag] : [tag])));
  };

  const showRow = (row, place) => {
    const seers = row.versions.map(() => []);
    const blind = [];
    row.seen.forEach((changes, session) => {
      const at = lastBy(changes, ([from]) => from, moment)[1];
      (at === null ? blind : seers[at]).push(data.sessions[session].name);
    });
    row.versions.forEach(([written, decided, became], index) => {
      const stands = moment < written ? "to-come" : moment < decided ? "pending" : became;
      showVersion(chains[place].versions[index], stands, seers[index]);
    });
    const note = chains[place].blind;
    if (note) note.textContent = blind.length ? `Not there for ${and(blind)}.` : "";
  };

  // Each session's card, and what it was made from.
  const cards = data.sessions.map(() => ({ made: null, change: null, goes: false, marked: false }));

  const showCard = (index, change, goes, marked) => {
    const shown = cards[index];
    if (shown.made && shown.change === change && shown.goes === goes && shown.marked === marked) return;
    const made = card(data.sessions[index], change, goes, marked);
    if (shown.made) shown.made.replaceWith(made);
    else byId("cards").append(made);
    cards[index] = { made, change, goes, marked };
  };

  const show = (wanted) => {
    const next = Math.min(last, Math.max(0, wanted));
    if (next === moment) return;
    moment = next;
    const step = data.steps[moment - 1];
    const changes = data.sessions.map((session) => changeAt(session.changes, moment));
    slider.value = moment;
    const who = step ? `, ${data.sessions[step.session].called}` : "";
    slider.setAttribute("aria-valuetext", moment ? `step ${moment} of ${last}${who}` : "the beginning");
    byId("what").replaceChildren(...said(step));
    byId("what").className = step?.marked ? "marked" : "";
    const waits = changes.flatMap((change, index) =>
      change.doing.waits ? [`${data.sessions[index].name} waits for ${and(change.doing.waits)}.`] : []);
    byId("whom").textContent = waits.join(" ") || "No session waits.";
    changes.forEach((change, index) => {
      const goes = step?.session === index;
      showCard(index, change, goes, goes && Boolean(step.marked));
    });
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
