/** What can go wrong, with a stable code: the engine's codes (docs/agent-protocol.md, "Errors") and our own below. */
/** Something was refused or failed. */
export class SoftphoneError extends Error {
    /** Stable code. */
    code;
    /** Which field of the message, where one is at fault (`promise.amount`). */
    field;
    /** With `held_by_rule`: which rule. */
    rule;
    /** With `held_by_rule`: the next lawful instant. */
    notBeforeMs;
    constructor(code, message, more = {}) {
        super(message);
        this.name = "SoftphoneError";
        this.code = code;
        this.field = more.field;
        this.rule = more.rule;
        this.notBeforeMs = more.notBeforeMs;
    }
    /** The engine's refusal. */
    static of(news) {
        const more = {};
        if (news.field)
            more.field = news.field;
        if (news.rule)
            more.rule = news.rule;
        if (news.not_before_ms)
            more.notBeforeMs = news.not_before_ms;
        return new SoftphoneError(news.code, news.message, more);
    }
}
