/** Methods of HTTP with a target of HTTP behind them, and any method with its version behind it (RFC 9112 §3). */
const HTTP =
  /^(?:(?:GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PRI) +(?:\/|\*|https?:\/\/)|[!#$%&'*+.^`|~\w-]+ [^\r\n]* HTTP\/\d)/;

/**
 * True when what a connection begins with is a request of HTTP: any page in a browser can make it send one to a port
 * of its own machine, with lines of the page's in the body.
 */
export function isHttp(text: string): boolean {
  return HTTP.test(text);
}
