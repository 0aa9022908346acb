internal import FramedCore
internal import FramedMessages

/// What a stream has shown, over as many connections as it took, and from where it goes on: values come once and in order,
/// and none that matters is left out.
struct StreamTrack {
  /// What a message means to whoever watches.
  struct News {
    /// The message is to be shown.
    var isNew: Bool
    /// Keys that a snapshot which has ended lacks, with the seq last shown of each.
    var gone: [(key: String, seq: UInt64)] = []
  }

  private let mode: MethodDescriptor.StreamMode
  private var epoch: UInt64?
  private var safeSeq: UInt64?
  /// LATEST: the newest seq shown of each key.
  private var known: [String: UInt64] = [:]
  /// Keys seen in the snapshot under way; `nil`: there is none.
  private var snapshot: Set<String>?
  private var isFirst = true
  private var hasShown = false

  init(_ mode: MethodDescriptor.StreamMode, after: Resume?) {
    self.mode = mode
    epoch = after?.epoch
    safeSeq = after?.afterSeq
  }

  /// From where another stream goes on without a gap; `nil`: from the beginning.
  var place: Resume? {
    guard let epoch, let safeSeq else { return nil }
    return Resume(epoch: epoch, afterSeq: safeSeq)
  }

  /// Whether opening the stream again neither loses nor repeats anything.
  var mayGoOn: Bool { mode == .latest || place != nil || !hasShown }

  /// A stream is opened at ``place``.
  mutating func begins() {
    isFirst = true
    snapshot = nil
  }

  /// END said from where to resume.
  mutating func ended(_ resumeSeq: UInt64?) {
    // Of the other modes everything that left was shown: the place is known better here.
    if mode == .latest, let resumeSeq { isSafe(resumeSeq) }
  }

  mutating func take(_ meta: DataMeta, isBookmark: Bool, key: String) -> News {
    if isFirst {
      isFirst = false
      if let stated = meta.epoch, stated != epoch {
        // Numbers of another epoch have nothing to do with these.
        epoch = stated
        safeSeq = nil
        known = known.mapValues { _ in 0 }
      }
      if meta.snapshot { snapshot = [] }
    }
    if isBookmark { return bookmark(meta) }
    let seq = meta.seq ?? 0
    guard mode == .latest else {
      if let known = safeSeq, meta.seq != nil, seq <= known { return News(isNew: false) }
      if meta.seq != nil { safeSeq = seq }
      hasShown = true
      return News(isNew: true)
    }
    if snapshot == nil {
      isSafe(meta.safeSeq ?? seq)
    } else {
      snapshot?.insert(key)
    }
    if let shown = known[key], seq <= shown { return News(isNew: false) }
    known[key] = seq
    hasShown = true
    return News(isNew: true)
  }

  private mutating func bookmark(_ meta: DataMeta) -> News {
    guard let safe = meta.safeSeq else { return News(isNew: false) }
    var news = News(isNew: true)
    if let seen = snapshot {
      snapshot = nil
      for (key, seq) in known where !seen.contains(key) { news.gone.append((key, seq)) }
      for (key, _) in news.gone { known[key] = nil }
      news.gone.sort { $0.key < $1.key }
    }
    isSafe(safe)
    return news
  }

  private mutating func isSafe(_ seq: UInt64) { safeSeq = max(safeSeq ?? 0, seq) }
}

/// Reads one string of a message without the rest.
enum KeyField {
  /// The value of field `number`; "" where it is absent.
  static func value(_ number: UInt32, in message: [UInt8]) -> String {
    var found = ""
    var at = 0
    while let tag = varint(message, &at) {
      switch tag & 7 {
      case 0:
        guard varint(message, &at) != nil else { return found }
      case 1: at += 8
      case 5: at += 4
      case 2:
        guard let count = varint(message, &at), count <= UInt64(message.count - at) else { return found }
        if tag >> 3 == UInt64(number) { found = String(decoding: message[at..<at + Int(count)], as: UTF8.self) }
        at += Int(count)
      default: return found
      }
      guard at <= message.count else { return found }
    }
    return found
  }

  private static func varint(_ bytes: [UInt8], _ at: inout Int) -> UInt64? {
    var value: UInt64 = 0
    for shift in stride(from: 0, to: 64, by: 7) {
      guard at < bytes.count else { return nil }
      let byte = bytes[at]
      at += 1
      value |= UInt64(byte & 0x7F) << UInt64(shift)
      if byte < 0x80 { return value }
    }
    return nil
  }
}
