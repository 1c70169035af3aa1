// Guardian's one script: ticks, keys, focus, the undo clock, the heartbeat. No state of its own: every page works
// without it, and nothing of what people typed is ever stored.
(() => {
  "use strict";
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const one = (selector) => document.querySelector(selector);
  const toast = (kind) => { one("#toast").textContent = kind ? one("#toast").dataset[kind] : ""; };

  // --- requests ---------------------------------------------------------------------------------------------------

  // The cookie's token, not the form's: after logging in again in another tab only the cookie is right.
  document.addEventListener("htmx:configRequest", ({ detail }) => {
    const token = document.cookie.match(/(?:^|; )csrftoken=([^;]+)/);
    if (token && detail.verb !== "get") {
      detail.headers["X-CSRFToken"] = token[1];
      detail.parameters.delete ? detail.parameters.delete("csrfmiddlewaretoken") : delete detail.parameters.csrfmiddlewaretoken;
    }
  });
  // A page that looks again keeps the delivery logs open that somebody has opened.
  let unfolded = [];
  document.addEventListener("htmx:afterSwap", () => {
    for (const id of unfolded) if (document.getElementById(id)) document.getElementById(id).open = true;
  });
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    unfolded = all("#case .log[open]").map((log) => log.id);
    // 403 and 412 are swapped in too when they are our own calm panels.
    if (!detail.xhr.getResponseHeader("X-Guardian-Panel")) return;
    detail.shouldSwap = true;
    detail.isError = false;
  });
  let failures = 0;
  document.addEventListener("htmx:afterRequest", ({ target, detail }) => {
    const status = detail.xhr ? detail.xhr.status : 0;
    const panel = status && detail.xhr.getResponseHeader("X-Guardian-Panel");
    if (status) heard(status, detail.xhr.getResponseHeader("X-Guardian-Session"));
    failures = panel || (status && status < 400) ? 0 : failures + 1;
    if (!failures) toast("");
    else if (detail.requestConfig && (detail.requestConfig.verb !== "get" || failures > 2)) {
      if (status !== 401) toast(status === 0 || status === 503 ? "away" : "broken");
    }
    if (panel && target.matches("[data-beat]")) target.remove(); // the claim is gone: it has been said once
  });
  // After a press of a button the answer's own heading, or its panel, takes the focus; a tick never moves it.
  document.addEventListener("htmx:afterSettle", ({ detail }) => {
    if (!detail.requestConfig || detail.requestConfig.verb === "get") return ready();
    const to = one("#notice [data-focus]") || one("[data-focus]");
    if (to) {
      to.focus({ preventScroll: true });
      to.scrollIntoView({ block: "nearest" });
    }
    ready();
  });

  // --- the session ------------------------------------------------------------------------------------------------

  // Every answer says how long the session lasts. Two minutes before its end it is asked once more, as another tab may
  // have prolonged it; what is asked here by itself is no activity, pressing the button is.
  const session = one("#session");
  let ends = session && session.dataset.left ? Date.now() + 1000 * Number(session.dataset.left) : Infinity;
  let stayed = false;
  const say = (when) => { for (const note of all("[data-when]", session)) note.hidden = note.dataset.when !== when; };
  const heard = (status, left) => {
    if (!session) return;
    if (status === 401) {
      ends = 0; // asked on: in another tab one may have logged in again
      say("out");
    } else if (left) {
      ends = Date.now() + 1000 * Number(left);
      say(left > 120 ? "" : stayed ? "end" : "soon");
    }
  };
  const askSession = async (method) => {
    const token = document.cookie.match(/(?:^|; )csrftoken=([^;]+)/);
    try {
      const answer = await fetch(session.dataset.url, { method, headers: token ? { "X-CSRFToken": token[1] } : {} });
      heard(answer.status, answer.headers.get("X-Guardian-Session"));
    } catch {
      // away: asked again
    }
  };
  let asked = 0;
  const watchSession = (now) => {
    if (ends - now > 120000 || (now - asked < 15000 && (now < ends || asked >= ends))) return;
    asked = now;
    askSession("GET");
  };
  document.addEventListener("click", ({ target }) => {
    if (!target.closest("[data-stay]")) return;
    stayed = true;
    askSession("POST").then(() => { stayed = ends - Date.now() <= 120000; });
  });

  // --- time -------------------------------------------------------------------------------------------------------

  let last = Date.now();
  let beat = Date.now();
  let undoEnds = 0;
  const tell = (selector, name) => all(selector).forEach((element) => element.dispatchEvent(new Event(name)));
  const everySecond = () => {
    const now = Date.now();
    watchSession(now);
    for (const clock of all("[data-seconds]")) {
      const left = Math.max(0, Math.ceil((undoEnds - now) / 1000));
      clock.textContent = left;
      if (left) continue;
      const undo = clock.closest("[data-undo]");
      if (undo.contains(document.activeElement)) one("#next").focus();
      undo.remove();
    }
    if (document.hidden) return;
    // An open form with a reason in it would be swapped away under the hands of whoever types there.
    if (!one(".ask[open]") && now - last >= Math.min(60000, 5000 * 2 ** Math.min(failures, 4))) {
      last = now;
      tell("[data-tick]", "guardian:tick");
    }
    if (now - beat >= 30000) {
      beat = now;
      tell("[data-beat]", "guardian:beat");
    }
  };
  setInterval(everySecond, 1000);

  // --- the form ---------------------------------------------------------------------------------------------------

  // “No violation” takes no actions: the fieldset is switched off, what was ticked there is kept.
  const settleActions = () => {
    const none = one('#decision-form input[name="outcome"][value="no_violation"]');
    if (none) one("#actions").disabled = none.checked;
  };
  const agree = (link) => {
    const form = one("#decision-form");
    all("input[type=checkbox], input[type=radio]", form).forEach((box) => { box.checked = "agree" in box.dataset; });
    const reason = form.elements.reason;
    if (!reason.value.trim()) reason.value = link.dataset.agreeReason;
    settleActions();
    one("#decide").focus();
  };
  document.addEventListener("change", ({ target }) => {
    if (target.matches("[data-submits]")) target.form.submit();
    if (target.name === "outcome") settleActions();
    if (target.id === "keys-on") localStorage.setItem("keys", target.checked ? "on" : "off");
  });
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    if (opener) one(`#${opener.dataset.opens}`).showModal();
    const link = event.target.closest("#agree");
    if (link) {
      event.preventDefault();
      agree(link);
    }
  });

  // --- keys -------------------------------------------------------------------------------------------------------

  const step = (by) => {
    const rows = all("[data-row]");
    const at = rows.indexOf(document.activeElement);
    const next = rows[at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + by))];
    if (next) next.focus();
  };
  const typing = (element) => element.matches("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
  document.addEventListener("keydown", (event) => {
    if (event.isComposing || event.defaultPrevented || event.altKey) return;
    if (event.ctrlKey || event.metaKey) {
      const form = event.key === "Enter" && event.target.closest("#decision-form");
      if (form && one("#decide")) one("#decide").click();
      return;
    }
    if (event.repeat && !"jk".includes(event.key)) return;
    if (typing(event.target) || one("dialog[open]") || localStorage.getItem("keys") === "off") return;
    if (event.key === "j" || event.key === "k") step(event.key === "j" ? 1 : -1);
    else if (event.key === "o" && document.activeElement.matches("[data-row]")) document.activeElement.click();
    else {
      const control = one(`[data-key="${CSS.escape(event.key)}"]:not(:disabled)`);
      if (!control || control.closest("fieldset:disabled")) return;
      control.click();
    }
    event.preventDefault();
  });

  const ready = () => {
    const clock = one("[data-seconds]");
    undoEnds = clock ? Date.now() + 1000 * Number(clock.dataset.seconds) : 0;
    settleActions();
  };
  all(".script-only").forEach((element) => { element.hidden = false; });
  if (one("#keys-on")) one("#keys-on").checked = localStorage.getItem("keys") !== "off";
  ready();
})();
