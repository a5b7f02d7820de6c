/** `@tandem/softphone`: an agent of Tandem in a browser. Start with `Softphone`. */

export { Softphone } from "./softphone.js";
export type { AudioState, SocketLike, SoftphoneEvents, SoftphoneOptions } from "./softphone.js";
export { SoftphoneError } from "./fault.js";
export type { OwnCode } from "./fault.js";
export type { LegState, Microphone } from "./audio.js";
export type { AudioFigures } from "./stats.js";
export type { CallView, View } from "./view.js";
export type { Status } from "./session.js";
export { FLOOR_DB, share } from "./levels.js";
export type * from "./protocol.js";
export { VERSION } from "./protocol.js";
