/** Typed events without a library. */

/** Takes a listener away again. */
export type Off = () => void;

/** Listeners by the name of their event. `Events` maps names to what they carry. */
export class Emitter<Events extends object> {
  #listeners = new Map<keyof Events, Set<(news: never) => void>>();

  /** Calls `listener` at each event of this name; returns how to stop that. */
  on<Name extends keyof Events>(name: Name, listener: (news: Events[Name]) => void): Off {
    let set = this.#listeners.get(name);
    if (set === undefined) this.#listeners.set(name, (set = new Set()));
    set.add(listener);
    return () => set.delete(listener);
  }

  /** Resolves at the next event of this name that `fits`. */
  once<Name extends keyof Events>(name: Name, fits: (news: Events[Name]) => boolean = () => true): Promise<Events[Name]> {
    return new Promise((resolve) => {
      const off = this.on(name, (news) => {
        if (!fits(news)) return;
        off();
        resolve(news);
      });
    });
  }

  protected emit<Name extends keyof Events>(name: Name, news: Events[Name]): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        (listener as (news: Events[Name]) => void)(news);
      } catch (fault) {
        // One page's mistake must not stop the call: it is told, and the next listener has its turn.
        reportError(fault);
      }
    }
  }
}
