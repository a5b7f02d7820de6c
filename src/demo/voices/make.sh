#!/bin/bash
# Makes the borrowers' sentences again: espeak-ng speaks, sox makes G.711 mu-law at 8,000 Hz of it. Run it here, by hand, and
# commit what comes out; building Tandem needs neither program.
set -euo pipefail
cd "$(dirname "$0")"

say() { # name voice speed pitch text
  espeak-ng -v "$2" -s "$3" -p "$4" --stdout "$5" |
    sox -t wav - -r 8000 -c 1 -e u-law -b 8 "$1.wav" gain -6 highpass 150 lowpass 3400 silence 1 0.01 0.5% reverse silence 1 0.01 0.5% reverse norm -8
}

vi() { say "vi-$1" vi 165 45 "$2"; }
en() { say "en-$1" en-gb 160 40 "$2"; }

vi hello "A lô, tôi nghe đây."
vi yes "Dạ vâng, đúng rồi, tôi đây."
vi trouble "Dạo này tôi đang khó khăn quá."
vi part "Thứ sáu tôi lĩnh lương, trả một phần được không?"
vi promise "Vâng, thứ sáu tôi chuyển khoản."
vi bye "Vâng, cảm ơn, chào nhé."
vi anyone "A lô? Có ai ở đó không?"

en hello "Hello, who is calling?"
en yes "Yes, that is me, speaking."
en trouble "Things are difficult at the moment."
en part "I get paid on Friday. Can I pay a part of it?"
en promise "All right, I will transfer it on Friday."
en bye "Thank you, goodbye."
en anyone "Hello? Is anybody there?"
