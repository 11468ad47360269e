/** The style nonce of this response, put into index.html by the server; empty in development. */
export function styleNonce(): string {
  const value = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? "";
  return value.startsWith("__") ? "" : value;
}
