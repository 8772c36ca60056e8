// A dialog that changes something: fields, the token once, the server's own sentence where it refuses.
import { element } from "../dom";
import { messageOf } from "../page";
import { isOvertaken, isRefused } from "./requests";
import { forgetToken, keepToken, token } from "./token";

export interface Field {
  readonly name: string;
  readonly label: string;
  readonly value?: string;
  readonly hint?: string;
  readonly required?: boolean;
  readonly type?: "text" | "number";
  readonly pattern?: string;
}

export type Filled = Readonly<Record<string, string>>;

export interface Action {
  readonly label: string;
  readonly primary?: boolean;
  /** A question that is answered with yes before it is done. */
  readonly question?: string;
  /** Whether the fields have to be filled in. */
  readonly takesFields?: boolean;
  /** Does it, and gives back what is said of it then. */
  readonly run: (filled: Filled) => Promise<Node | string>;
}

export interface Dialog {
  readonly title: string;
  readonly fields: readonly Field[];
  readonly actions: readonly Action[];
  /** Reads again what is to be changed: first, and after somebody else has changed it. Gives back the fields' values. */
  readonly load?: () => Promise<Filled>;
}

const OVERTAKEN = "Somebody else has changed this layer since it was opened here. The fields now have what is there: look at it, and save again.";

/** Opens a dialog. */
export function openDialog({ title, fields, actions, load }: Dialog): void {
  const inputs = fields.map((field) => [field, inputOf(field)] as const);
  const password = element("input", { type: "password", autocomplete: "off", id: "edit-token", value: token(), required: true });
  const said = element("p", { className: "notice", role: "alert", hidden: true });
  const done = element("p", { role: "status", hidden: true });
  const buttons = actions.map((action) => {
    const properties = { type: action.takesFields ? "submit" : "button", className: action.primary ? "primary" : "" };
    return [action, element("button", properties, action.label)] as const;
  });
  const forget = element("button", { type: "button", className: "quiet small" }, "Forget the token");
  const close = element("button", { type: "button", className: "quiet", ariaLabel: "Close" }, "×");
  const rows = inputs.map(([{ label, hint }, input]) =>
    element("div", { className: "field" }, element("label", { htmlFor: input.id }, label), input, hint && element("span", { className: "soft small" }, hint)),
  );
  const form = element(
    "form",
    {},
    element("header", {}, element("h2", { id: "edit-title" }, title), close),
    ...rows,
    element(
      "div",
      { className: "field" },
      element("label", { htmlFor: "edit-token" }, "Token of an admin (TILERY_ADMIN_TOKEN)"),
      password,
      element("span", { className: "soft small" }, "Kept until this tab is closed.", forget),
    ),
    said,
    done,
    element("div", { className: "row buttons" }, ...buttons.map(([, button]) => button)),
  );
  const dialog = element("dialog", { className: "edit" }, form);
  dialog.setAttribute("aria-labelledby", "edit-title");

  const say = (text: string | null): void => {
    said.hidden = !text;
    said.textContent = text ?? "";
  };
  const refill = async (): Promise<void> => {
    if (!load || !password.value) return;
    keepToken(password.value);
    const values = await load();
    for (const [{ name }, input] of inputs) if (name in values) input.value = values[name] ?? "";
  };
  const refused = async (error: unknown): Promise<void> => {
    if (isRefused(error)) forgetToken();
    say(messageOf(error));
    if (!isOvertaken(error)) return;
    await refill().then(() => say(OVERTAKEN), (again: unknown) => say(messageOf(again)));
  };
  const run = async (action: Action): Promise<void> => {
    if (!form.reportValidity() || (action.question && !confirm(action.question))) return;
    say(null);
    done.hidden = true;
    keepToken(password.value);
    buttons.forEach(([, button]) => (button.disabled = true));
    try {
      const filled = Object.fromEntries(inputs.map(([{ name }, input]) => [name, input.value.trim()]));
      done.replaceChildren(await action.run(filled));
      done.hidden = false;
    } catch (error) {
      await refused(error);
    } finally {
      buttons.forEach(([, button]) => (button.disabled = false));
    }
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const chosen = buttons.find(([, button]) => button === event.submitter) ?? buttons[0];
    if (chosen) void run(chosen[0]);
  });
  for (const [action, button] of buttons) {
    if (button.type === "button") button.addEventListener("click", () => void run(action));
  }
  password.addEventListener("change", () => void refill().catch(refused));
  forget.addEventListener("click", () => {
    forgetToken();
    password.value = "";
  });
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  void refill().catch(refused);
}

function inputOf({ name, value = "", type = "text", required = false, pattern }: Field): HTMLInputElement {
  const input = element("input", { id: `edit-${name}`, type, value, required, autocomplete: "off", spellcheck: false });
  if (pattern) input.pattern = pattern;
  if (type === "number") input.step = "any";
  return input;
}
