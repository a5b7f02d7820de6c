/** Typed events without a library. */
/** Listeners by the name of their event. `Events` maps names to what they carry. */
export class Emitter {
    #listeners = new Map();
    /** Calls `listener` at each event of this name; returns how to stop that. */
    on(name, listener) {
        let set = this.#listeners.get(name);
        if (set === undefined)
            this.#listeners.set(name, (set = new Set()));
        set.add(listener);
        return () => set.delete(listener);
    }
    /** Resolves at the next event of this name that `fits`. */
    once(name, fits = () => true) {
        return new Promise((resolve) => {
            const off = this.on(name, (news) => {
                if (!fits(news))
                    return;
                off();
                resolve(news);
            });
        });
    }
    emit(name, news) {
        for (const listener of [...(this.#listeners.get(name) ?? [])]) {
            try {
                listener(news);
            }
            catch (fault) {
                // One page's mistake must not stop the call: it is told, and the next listener has its turn.
                reportError(fault);
            }
        }
    }
}
