// The token of those who may change layers: typed once, kept as long as the tab is open, and never in an address.
const KEY = "tilery-admin-token";

export const token = (): string => sessionStorage.getItem(KEY) ?? "";

export const keepToken = (typed: string): void => sessionStorage.setItem(KEY, typed);

export const forgetToken = (): void => sessionStorage.removeItem(KEY);
