#!/bin/sh
# Makes the sample prompts of this directory again: speech by espeak-ng, music by sox from a tune of our own. Put a recording of
# a speaker of yours under the same name before you call anybody (README.md).
set -eu
cd "$(dirname "$0")"

# say NAME VOICE TEXT: 8,000 Hz, 16 bits, mono; 0.2 s of silence before it, at about -16 dBm0 so that nobody is startled.
say() {
    espeak-ng -v "$2" -s 150 -g 1 --stdout "$3" |
        sox -q -R -t wav - -r 8000 -c 1 -b 16 "$1.wav" gain -6 highpass 200 norm -9 pad 0.2 0.3
}

say abandon vi "Xin chào. Đây là cuộc gọi từ Công ty Thu hồi nợ Mẫu. Hiện tất cả nhân viên đều bận. Để không nhận cuộc gọi này nữa, xin gọi số một chín không không, không không không không. Xin cảm ơn."
say abandon-en en-us "Hello. This is Sample Collections. All our agents are busy at the moment. To stop these calls, please dial one nine zero zero, zero zero zero zero. Thank you."
say recording-notice vi "Cuộc gọi này được ghi âm để nâng cao chất lượng dịch vụ."
say recording-notice-en en-us "This call is recorded for quality purposes."
say nobody-free vi "Xin cảm ơn quý khách đã gọi lại. Hiện chưa có nhân viên nào rảnh. Chúng tôi đã ghi nhận và sẽ gọi lại cho quý khách."
say nobody-free-en en-us "Thank you for calling back. Nobody is free at the moment. We have noted your call and will call you back."

# Sixteen plucked notes of a pentatonic scale, one second each with its fifth below; the last fades into the first.
notes=""
for pair in "440 293.66" "493.88 329.63" "587.33 391.99" "659.26 440" "587.33 391.99" "493.88 329.63" "440 293.66" "391.99 261.63" \
    "440 293.66" "659.26 440" "739.99 493.88" "659.26 440" "587.33 391.99" "440 293.66" "493.88 329.63" "440 293.66"; do
    set -- $pair
    note="$(mktemp --suffix=.wav)"
    sox -q -R -n -r 8000 -c 1 -b 16 "$note" synth 1 pluck "$1" pluck "$2" remix - gain -14 fade t 0.01 1 0.25
    notes="$notes $note"
done
# shellcheck disable=SC2086
sox -q -R $notes hold-music.wav lowpass 3000 norm -15
# shellcheck disable=SC2086
rm -f $notes
