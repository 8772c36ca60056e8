// Light or dark, as the browser is set.

const wish = window.matchMedia("(prefers-color-scheme: dark)");

export const isDark = (): boolean => wish.matches;

/** Calls back when the browser changes between light and dark. */
export const onTheme = (then: (dark: boolean) => void): void => wish.addEventListener("change", () => then(wish.matches));
