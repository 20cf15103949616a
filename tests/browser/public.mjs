// What a page may ask a server for: the console's own files, and what /openapi.json tells to everybody.

/** Of all that was asked, as a method and a URL, what is neither. `document` is the server's description of itself. */
export function elsewhere(asked, origin, document) {
  const verbs = Object.entries(document.paths).map(([path, operations]) => ({ path: pattern(path), methods: methods(operations) }));
  const known = [{ path: /^\/(console\/[a-z-]+\.(js|css|svg))?$/, methods: ["GET"] }, ...verbs];
  const isPublic = ({ method, url }) => {
    const { origin: there, pathname } = new URL(url);
    return there === origin && known.some(({ path, methods }) => path.test(pathname) && methods.includes(method));
  };
  return asked.filter((request) => !isPublic(request));
}

function pattern(path) {
  return new RegExp(`^${path.replaceAll(/[.]/g, "\\.").replaceAll(/\{[^}]+\}/g, "[^/]+")}$`);
}

function methods(operations) {
  return Object.keys(operations).map((method) => method.toUpperCase());
}
