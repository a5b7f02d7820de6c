/** `@tandem/softphone`: an agent of Tandem in a browser. Start with `Softphone`. */
export { Softphone } from "./softphone.js";
export { SoftphoneError } from "./fault.js";
export { FLOOR_DB, share } from "./levels.js";
export { VERSION } from "./protocol.js";
