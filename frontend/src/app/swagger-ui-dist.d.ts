declare module "swagger-ui-dist/swagger-ui-es-bundle.js" {
  const show: (options: {
    domNode: HTMLElement;
    url: string;
    deepLinking?: boolean;
    docExpansion?: "list" | "full" | "none";
  }) => unknown;
  export default show;
}
