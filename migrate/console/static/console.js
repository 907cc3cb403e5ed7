"use strict";
// Parts of a page that say where to ask how things stand are asked for anew; nothing else runs here.
for (const part of document.querySelectorAll("[data-live]")) {
  let failed = 0;
  const every = Number(part.dataset.every) * 1000;
  const ask = async () => {
    if (document.hidden) { setTimeout(ask, every); return; }
    try {
      const answer = await fetch(part.dataset.live, { credentials: "same-origin", redirect: "error" });
      if (answer.status === 401) { location.reload(); return; }
      if (answer.ok) {
        const text = await answer.text();
        // What somebody has the keyboard in stays under their fingers.
        if (!part.contains(document.activeElement)) part.innerHTML = text;
        failed = 0;
      } else failed += 1;
    } catch { failed += 1; }
    part.classList.toggle("stale", failed > 2);
    if (part.querySelector("[data-end]")) { location.reload(); return; }
    setTimeout(ask, every * Math.min(8, 1 + failed));
  };
  setTimeout(ask, every);
}
// A form is sent once; its own name keeps the command from running twice even without this.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "yes";
  const button = form.querySelector("button");
  if (button) button.setAttribute("aria-busy", "true");
});
addEventListener("pageshow", () => { for (const form of document.forms) delete form.dataset.sent; });
// A passkey answers for the statement, or is made, before the form is sent.
for (const form of document.querySelectorAll("form[data-passkey]")) {
  form.addEventListener("submit", async (event) => {
    if (form.elements.proof.value) return;
    event.preventDefault();
    event.stopPropagation();
    try {
      const asked = JSON.parse(form.dataset.passkey).publicKey;
      if (asked.user) asked.user.displayName ??= asked.user.name;
      const answer = form.dataset.deed === "create"
        ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(asked) })
        : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(asked) });
      form.elements.proof.value = JSON.stringify(answer.toJSON());
      form.requestSubmit();
    } catch (error) {
      const told = form.querySelector("[role=alert]");
      told.textContent = `The passkey gave no answer (${error.name}); nothing was signed.`;
      told.hidden = false;
    }
  });
}
