// Stand-in until the generated framedrpc.v1 messages are here; goes with them.

package struct Hello: Sendable, Equatable {
  package var maxFrame: UInt32 = 0
  package var maxMessage: UInt32 = 0
  package var maxStreams: UInt32 = 0
  package var initialCredit: UInt32 = 0
  package var minPingMs: UInt32 = 0
  package var idleCloseMs: UInt32?
  package var drainGraceMs: UInt32?
  package var features: [String] = []
  package var compression: [String] = []
  package var agent: String = ""
  package init() {}
}

package struct CallMeta: Sendable, Equatable {
  package var method: String = ""
  package var timeoutMs: UInt32?
  package var metadata: [MetadataEntry] = []
  package var requestId: [UInt8] = []
  package var resume: Resume?
  package var initialCredit: UInt32?
  package var maxSilenceMs: UInt32?
  package var messageBytes: UInt64?
  package var traceparent: String = ""
  package var tracestate: String = ""
  package var attempt: UInt32 = 0
  package init() {}
}

package struct DataMeta: Sendable, Equatable {
  package var seq: UInt64?
  package var safeSeq: UInt64?
  package var removed: Bool = false
  package var messageBytes: UInt64?
  package var epoch: UInt64?
  package var silenceMs: UInt32?
  package var headers: [MetadataEntry] = []
  package var snapshot: Bool = false
  package init() {}
}

package struct EndMeta: Sendable, Equatable {
  package var code: UInt32 = 0
  package var message: String = ""
  package var details: [ErrorDetail] = []
  package var trailers: [MetadataEntry] = []
  package var retryAfterMs: Int32?
  package var resumeSeq: UInt64?
  package init() {}
}

struct MiniWriter {
  var out: [UInt8] = []
  mutating func varint(_ v: UInt64) {
    var v = v
    while v >= 0x80 {
      out.append(UInt8(truncatingIfNeeded: v) | 0x80)
      v >>= 7
    }
    out.append(UInt8(v))
  }
  mutating func number(_ field: UInt64, _ v: UInt64?, always: Bool = false) {
    guard let v, always || v != 0 else { return }
    varint(field << 3)
    varint(v)
  }
  mutating func bytes(_ field: UInt64, _ v: [UInt8], always: Bool = false) {
    guard always || !v.isEmpty else { return }
    varint(field << 3 | 2)
    varint(UInt64(v.count))
    out += v
  }
  mutating func string(_ field: UInt64, _ v: String, always: Bool = false) { bytes(field, Array(v.utf8), always: always) }
}

struct MiniReader {
  let b: [UInt8]
  var i = 0
  init(_ b: some Sequence<UInt8>) { self.b = Array(b) }
  mutating func varint() -> UInt64? {
    var v: UInt64 = 0
    var shift: UInt64 = 0
    while i < b.count, shift < 64 {
      let x = b[i]
      i += 1
      v |= UInt64(x & 0x7F) << shift
      if x < 0x80 { return v }
      shift += 7
    }
    return nil
  }
  /// field, number, bytes
  mutating func next() -> (UInt64, UInt64, [UInt8])?? {
    if i == b.count { return .some(nil) }
    guard let tag = varint(), tag >> 3 != 0 else { return nil }
    switch tag & 7 {
    case 0:
      guard let v = varint() else { return nil }
      return (tag >> 3, v, [])
    case 2:
      guard let n = varint(), n <= UInt64(b.count - i) else { return nil }
      defer { i += Int(n) }
      return (tag >> 3, 0, Array(b[i..<i + Int(n)]))
    case 1: if b.count - i < 8 { return nil } else { i += 8; return (0, 0, []) }
    case 5: if b.count - i < 4 { return nil } else { i += 4; return (0, 0, []) }
    default: return nil
    }
  }
}

private func utf8(_ b: [UInt8]) -> String { String(decoding: b, as: UTF8.self) }

private func entry(_ b: [UInt8]) -> MetadataEntry? {
  var r = MiniReader(b)
  var e = MetadataEntry(key: "", value: [])
  while true {
    guard let step = r.next() else { return nil }
    guard let (f, _, bytes) = step else { return e }
    if f == 1 { e.key = utf8(bytes) } else if f == 2 { e.value = bytes }
  }
}
private func detail(_ b: [UInt8]) -> ErrorDetail? { entry(b).map { ErrorDetail(typeURL: $0.key, value: $0.value) } }
private func write(_ key: String, _ value: [UInt8]) -> [UInt8] {
  var w = MiniWriter()
  w.string(1, key)
  w.bytes(2, value)
  return w.out
}

extension Hello {
  package init?(protobuf bytes: UnsafeRawBufferPointer) {
    var r = MiniReader(bytes)
    while true {
      guard let step = r.next() else { return nil }
      guard let (f, n, b) = step else { return }
      switch f {
      case 1: maxFrame = UInt32(truncatingIfNeeded: n)
      case 2: maxMessage = UInt32(truncatingIfNeeded: n)
      case 3: maxStreams = UInt32(truncatingIfNeeded: n)
      case 4: initialCredit = UInt32(truncatingIfNeeded: n)
      case 5: minPingMs = UInt32(truncatingIfNeeded: n)
      case 6: idleCloseMs = UInt32(truncatingIfNeeded: n)
      case 7: drainGraceMs = UInt32(truncatingIfNeeded: n)
      case 8: features.append(utf8(b))
      case 9: compression.append(utf8(b))
      case 10: agent = utf8(b)
      default: break
      }
    }
  }
  package func protobufBytes() -> [UInt8] {
    var w = MiniWriter()
    w.number(1, UInt64(maxFrame))
    w.number(2, UInt64(maxMessage))
    w.number(3, UInt64(maxStreams))
    w.number(4, UInt64(initialCredit))
    w.number(5, UInt64(minPingMs))
    w.number(6, idleCloseMs.map(UInt64.init), always: true)
    w.number(7, drainGraceMs.map(UInt64.init), always: true)
    for x in features { w.string(8, x, always: true) }
    for x in compression { w.string(9, x, always: true) }
    w.string(10, agent)
    return w.out
  }
}

extension CallMeta {
  package init?(protobuf bytes: UnsafeRawBufferPointer) {
    var r = MiniReader(bytes)
    while true {
      guard let step = r.next() else { return nil }
      guard let (f, n, b) = step else { return }
      switch f {
      case 1: method = utf8(b)
      case 2: timeoutMs = UInt32(truncatingIfNeeded: n)
      case 3:
        guard let e = entry(b) else { return nil }
        metadata.append(e)
      case 4: requestId = b
      case 5:
        var inner = MiniReader(b)
        var value = Resume(epoch: 0, afterSeq: 0)
        while let step = inner.next() {
          guard let (f, n, _) = step else { break }
          if f == 1 { value.epoch = n } else if f == 2 { value.afterSeq = n }
        }
        resume = value
      case 6: initialCredit = UInt32(truncatingIfNeeded: n)
      case 7: maxSilenceMs = UInt32(truncatingIfNeeded: n)
      case 8: messageBytes = n
      case 9: traceparent = utf8(b)
      case 10: tracestate = utf8(b)
      case 11: attempt = UInt32(truncatingIfNeeded: n)
      default: break
      }
    }
  }
  package func protobufBytes() -> [UInt8] {
    var w = MiniWriter()
    w.string(1, method)
    w.number(2, timeoutMs.map(UInt64.init), always: true)
    for e in metadata { w.bytes(3, write(e.key, e.value), always: true) }
    w.bytes(4, requestId)
    if let resume {
      var inner = MiniWriter()
      inner.number(1, resume.epoch)
      inner.number(2, resume.afterSeq)
      w.bytes(5, inner.out, always: true)
    }
    w.number(6, initialCredit.map(UInt64.init), always: true)
    w.number(7, maxSilenceMs.map(UInt64.init), always: true)
    w.number(8, messageBytes, always: true)
    w.string(9, traceparent)
    w.string(10, tracestate)
    w.number(11, UInt64(attempt))
    return w.out
  }
}

extension DataMeta {
  package init?(protobuf bytes: UnsafeRawBufferPointer) {
    var r = MiniReader(bytes)
    while true {
      guard let step = r.next() else { return nil }
      guard let (f, n, b) = step else { return }
      switch f {
      case 1: seq = n
      case 2: safeSeq = n
      case 3: removed = n != 0
      case 4: messageBytes = n
      case 5: epoch = n
      case 6: silenceMs = UInt32(truncatingIfNeeded: n)
      case 7:
        guard let e = entry(b) else { return nil }
        headers.append(e)
      case 8: snapshot = n != 0
      default: break
      }
    }
  }
  package func protobufBytes() -> [UInt8] {
    var w = MiniWriter()
    w.number(1, seq, always: true)
    w.number(2, safeSeq, always: true)
    w.number(3, removed ? 1 : 0)
    w.number(4, messageBytes, always: true)
    w.number(5, epoch, always: true)
    w.number(6, silenceMs.map(UInt64.init), always: true)
    for e in headers { w.bytes(7, write(e.key, e.value), always: true) }
    w.number(8, snapshot ? 1 : 0)
    return w.out
  }
}

extension EndMeta {
  package init?(protobuf bytes: UnsafeRawBufferPointer) {
    var r = MiniReader(bytes)
    while true {
      guard let step = r.next() else { return nil }
      guard let (f, n, b) = step else { return }
      switch f {
      case 1: code = UInt32(truncatingIfNeeded: n)
      case 2: message = utf8(b)
      case 3:
        guard let e = detail(b) else { return nil }
        details.append(e)
      case 4:
        guard let e = entry(b) else { return nil }
        trailers.append(e)
      case 5:
        let z = UInt32(truncatingIfNeeded: n)
        retryAfterMs = Int32(bitPattern: (z >> 1) ^ (~(z & 1) &+ 1))
      case 6: resumeSeq = n
      default: break
      }
    }
  }
  package func protobufBytes() -> [UInt8] {
    var w = MiniWriter()
    w.number(1, UInt64(code))
    w.string(2, message)
    for d in details { w.bytes(3, write(d.typeURL, d.value), always: true) }
    for e in trailers { w.bytes(4, write(e.key, e.value), always: true) }
    w.number(5, retryAfterMs.map { UInt64(UInt32(bitPattern: ($0 << 1) ^ ($0 >> 31))) }, always: true)
    w.number(6, resumeSeq, always: true)
    return w.out
  }
}

/// google.rpc.ErrorInfo
func errorInfo(reason: String, metadata: [(String, String)]) -> ErrorDetail {
  var w = MiniWriter()
  w.string(1, reason)
  w.string(2, "framedrpc")
  for (k, v) in metadata {
    var inner = MiniWriter()
    inner.string(1, k)
    inner.string(2, v)
    w.bytes(3, inner.out, always: true)
  }
  return ErrorDetail(typeURL: "type.googleapis.com/google.rpc.ErrorInfo", value: w.out)
}
