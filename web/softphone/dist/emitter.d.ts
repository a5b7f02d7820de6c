/** Typed events without a library. */
/** Takes a listener away again. */
export type Off = () => void;
/** Listeners by the name of their event. `Events` maps names to what they carry. */
export declare class Emitter<Events extends object> {
    #private;
    /** Calls `listener` at each event of this name; returns how to stop that. */
    on<Name extends keyof Events>(name: Name, listener: (news: Events[Name]) => void): Off;
    /** Resolves at the next event of this name that `fits`. */
    once<Name extends keyof Events>(name: Name, fits?: (news: Events[Name]) => boolean): Promise<Events[Name]>;
    protected emit<Name extends keyof Events>(name: Name, news: Events[Name]): void;
}
