/** The page's words, Vietnamese and English. A key that one language lacks does not compile. */

const VI = {
  agent: "Tên đăng nhập", token: "Mã truy cập", logIn: "Đăng nhập", logOut: "Đăng xuất", signing: "Đang đăng nhập…",
  loginLead: "Đăng nhập, cho phép dùng micro, kiểm tra tiếng vọng, rồi bấm Sẵn sàng.",
  microphone: "Micro", device: "Micro của máy này", tone: "Âm thử 600 Hz thay cho micro", defaultDevice: "Mặc định", output: "Loa",
  ready: "Sẵn sàng", break: "Nghỉ", manual: "Tự gọi", offline: "Ngoại tuyến", reserved: "Đang nối", talking: "Đang nói chuyện", wrap: "Ghi kết quả",
  readyNow: "Sẵn sàng ngay", breakAfter: "Nghỉ sau cuộc này", afterThis: "Sau cuộc này",
  idle: "Đang chờ khách nghe máy", idleHint: "Khi có khách nghe máy, thẻ khách và tiếng nói đến cùng lúc. Không cần bấm gì.",
  paused: "Đang nghỉ", pausedHint: "Bấm Sẵn sàng để nhận cuộc gọi.", waited: "đã chờ",
  check: "Kiểm tra tai nghe", checkHint: "Bạn sẽ nghe một tiếng tút, rồi nghe lại chính giọng mình trong 3 giây. Hãy nói vài từ.",
  checking: "Đang kiểm tra: hãy nói vài từ…", checked: "Tai nghe và micro tốt.", checkAgain: "Kiểm tra lại", checkFailed: "Không nghe thấy micro. Xem lại tai nghe rồi thử lại.",
  audioUp: "Âm thanh tốt", audioConnecting: "Đang nối âm thanh…", audioLost: "Mất âm thanh, đang nối lại…", audioNone: "Chưa có âm thanh", audioPhone: "Âm thanh qua điện thoại",
  you: "Bạn", customer: "Khách", startAudio: "Bật âm thanh", useTone: "Dùng âm thử",
  mute: "Tắt mic", hold: "Giữ máy", keypad: "Bàn phím", record: "Dừng ghi âm", recordOn: "Ghi âm", hangUp: "Kết thúc", recording: "Đang ghi âm", recordPaused: "Ghi âm tạm dừng", recordOff: "Không ghi âm",
  due: "Cần thanh toán", outstanding: "Dư nợ", minimum: "Tối thiểu để không nhảy nhóm", days: "ngày", why: "Vì sao gọi:", sayNow: "Nói ngay", verify: "Xác minh",
  lastContact: "Lần trước", lastPayment: "Trả gần nhất", promise: "Lời hứa", mood: "Thái độ", kept: "Giữ", broken: "Lỡ", none: "Chưa có", loading: "Phần còn lại đang đến…", more: "Xem thêm",
  cards: { customer: "Toàn bộ", contacts: "Liên hệ", references: "Người thân", loans: "Khoản vay", payments: "Thanh toán", timeline: "Lịch sử", script: "Kịch bản" },
  outcome: "Kết quả", others: "Kết quả khác", save: "Lưu", back: "Quay lại", saving: "Đang lưu…", saved: "Đã lưu", kept2: "Đã giữ lại, sẽ gửi khi có kết nối",
  amount: "Số tiền", dueDate: "Ngày trả", method: "Hình thức", paidAt: "Đã trả ngày", followUp: "Gọi lại lúc", reason: "Lý do", note: "Ghi chú", addPart: "Thêm kỳ",
  wrapHint: "Hết giờ sẽ tự về Sẵn sàng", endedBy: { customer: "Khách đã gác máy", agent: "Bạn đã kết thúc", system: "Cuộc gọi bị ngắt" },
  preview: "Khách kế tiếp", dial: "Gọi", skip: "Bỏ qua", next: "Lấy khách kế tiếp", dialling: "Đang gọi…", ringing: "Đang đổ chuông…",
  lost: "Mất kết nối dữ liệu.", lostHint: "Cuộc gọi vẫn nghe được. Cứ nói tiếp.", online: "Đã kết nối", again: "Đăng nhập lại",
  closed: { logged_out: "Đã đăng xuất.", login_refused: "Tên hoặc mã truy cập không đúng.", taken_over: "Tài khoản đã đăng nhập ở nơi khác." },
  theme: "Sáng / tối", language: "English", missing: "Cần điền", callOf: "Cuộc gọi",
};

const EN: typeof VI = {
  agent: "Log-in name", token: "Token", logIn: "Log in", logOut: "Log out", signing: "Logging in…",
  loginLead: "Log in, allow the microphone, pass the echo check, then press Ready.",
  microphone: "Microphone", device: "This machine's microphone", tone: "A 600 Hz test tone instead", defaultDevice: "Default", output: "Loudspeaker",
  ready: "Ready", break: "Break", manual: "By hand", offline: "Offline", reserved: "Connecting", talking: "Talking", wrap: "Wrap-up",
  readyNow: "Ready now", breakAfter: "Break after this call", afterThis: "After this call",
  idle: "Waiting for an answer", idleHint: "When somebody answers, card and voice arrive together. There is nothing to press.",
  paused: "On a break", pausedHint: "Press Ready to take calls.", waited: "waiting for",
  check: "Check your headset", checkHint: "You will hear a tone, and then your own voice for 3 seconds. Say a few words.",
  checking: "Checking: say a few words…", checked: "Headset and microphone are fine.", checkAgain: "Check again", checkFailed: "The microphone was not heard. Look at the headset and try again.",
  audioUp: "Audio is fine", audioConnecting: "Connecting audio…", audioLost: "Audio lost, connecting again…", audioNone: "No audio yet", audioPhone: "Audio on your phone",
  you: "You", customer: "Customer", startAudio: "Start audio", useTone: "Use a test tone",
  mute: "Mute", hold: "Hold", keypad: "Keypad", record: "Pause recording", recordOn: "Record", hangUp: "End call", recording: "Recording", recordPaused: "Recording paused", recordOff: "Not recorded",
  due: "To pay", outstanding: "Outstanding", minimum: "Least to stay in the bucket", days: "days", why: "Why we call:", sayNow: "Say now", verify: "Verify",
  lastContact: "Last contact", lastPayment: "Last payment", promise: "Promise", mood: "Attitude", kept: "Kept", broken: "Broken", none: "None yet", loading: "The rest is on its way…", more: "More",
  cards: { customer: "Everything", contacts: "Contacts", references: "References", loans: "Loans", payments: "Payments", timeline: "History", script: "Script" },
  outcome: "Outcome", others: "Other outcomes", save: "Save", back: "Back", saving: "Saving…", saved: "Saved", kept2: "Kept, sent when the connection is back",
  amount: "Amount", dueDate: "Due on", method: "Method", paidAt: "Paid on", followUp: "Call back at", reason: "Reason", note: "Note", addPart: "Add a part",
  wrapHint: "At zero you are ready again", endedBy: { customer: "The customer hung up", agent: "You ended the call", system: "The call was cut" },
  preview: "Next person", dial: "Dial", skip: "Skip", next: "Next person", dialling: "Dialling…", ringing: "Ringing…",
  lost: "Data connection lost.", lostHint: "The call is fine. Keep talking.", online: "Connected", again: "Log in again",
  closed: { logged_out: "Logged out.", login_refused: "Name or token is wrong.", taken_over: "Logged in elsewhere." },
  theme: "Light / dark", language: "Tiếng Việt", missing: "Needed", callOf: "Call",
};

/** Languages of the page. */
export type Language = "vi" | "en";
/** All words of one language. */
export type Words = typeof VI;

/** The words of a language. */
export function words(language: Language): Words {
  return language === "vi" ? VI : EN;
}

const CODES: Record<string, [vi: string, en: string]> = {
  RPC_PTP: ["Hứa trả", "Promise to pay"],
  RPC_PAID: ["Đã trả rồi", "Paid already"],
  RPC_PAYNOW: ["Trả ngay", "Pays now"],
  RPC_PARTIAL_PLAN: ["Trả góp theo kỳ", "Instalment plan"],
  RPC_CB: ["Hẹn gọi lại", "Call back"],
  RPC_REFUSE: ["Từ chối", "Refuses"],
  RPC_DISPUTE: ["Khiếu nại nợ", "Disputes"],
  RPC_HARDSHIP: ["Khó khăn", "Hardship"],
  RPC_NO_COMMIT: ["Không cam kết", "No commitment"],
  BP: ["Lỡ hẹn", "Broken promise"],
  TPC_MSG: ["Nhắn qua người khác", "Message left"],
  TPC_REFUSES: ["Người khác từ chối", "Third party refuses"],
  WRONG_NO: ["Nhầm số", "Wrong number"],
  NO_SPEECH: ["Im lặng", "Silence"],
  HANGUP: ["Cúp máy", "Hung up"],
  LANG: ["Khác ngôn ngữ", "Other language"],
  DECEASED: ["Đã mất", "Deceased"],
  LEGAL_REP: ["Có luật sư", "Legal representative"],
  COMPLAINT: ["Khiếu nại", "Complaint"],
  ESCALATE: ["Chuyển quản lý", "Escalate"],
  FIELD_VISIT: ["Đi thực địa", "Field visit"],
  VM_AGENT: ["Hộp thư thoại", "Voicemail"],
  NOT_RECORDED: ["Chưa ghi", "Not recorded"],
};

/** An outcome code in words; a code of the site's own stays as it is. */
export function codeName(code: string, language: Language): string {
  return CODES[code]?.[language === "vi" ? 0 : 1] ?? code;
}
