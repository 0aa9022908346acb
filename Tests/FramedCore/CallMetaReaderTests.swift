import FramedCore
import FramedMessages
import ProtobufFacade
import Testing

/// The reader of common metadata says what protobuf says, or nothing.
@Suite struct CallMetaReaderTests {
  private func read(_ bytes: [UInt8]) -> CallMeta? {
    var memory = CallMetaReader.Memory()
    return bytes.withUnsafeBytes { CallMetaReader.read($0, &memory) }
  }

  private func random() -> CallMeta {
    var meta = CallMeta()
    func maybe(_ change: () -> Void) { if Bool.random() { change() } }
    func text() -> String { String((0..<Int.random(in: 0..<40)).map { _ in "abc/.XYZ-_0 ".randomElement() ?? "x" }) }
    func bytes() -> [UInt8] { (0..<Int.random(in: 0..<300)).map { _ in UInt8.random(in: 0...255) } }
    func number() -> UInt64 { UInt64.random(in: 0...UInt64.max) >> UInt64.random(in: 0..<64) }
    maybe { meta.method = text() }
    maybe { meta.timeoutMs = UInt32(truncatingIfNeeded: number()) }
    maybe { meta.metadata = (0..<Int.random(in: 0..<5)).map { _ in Header(key: text(), value: bytes()) } }
    maybe { meta.requestID = bytes() }
    maybe { meta.resume = ResumePoint(epoch: number(), afterSeq: number()) }
    maybe { meta.initialCredit = UInt32(truncatingIfNeeded: number()) }
    maybe { meta.maxSilenceMs = UInt32(truncatingIfNeeded: number()) }
    maybe { meta.messageBytes = number() }
    maybe { meta.traceparent = text() }
    maybe { meta.tracestate = text() }
    maybe { meta.attempt = UInt32(truncatingIfNeeded: number()) }
    return meta
  }

  @Test func whatGeneratorsWriteIsRead() {
    for _ in 0..<2_000 {
      let meta = random()
      #expect(read(meta.protobufBytes()) == meta)
    }
  }

  /// Bytes broken in some place: what it reads is what protobuf reads.
  @Test func neverSaysOtherwiseThanProtobuf() {
    var agreed = 0
    for _ in 0..<20_000 {
      var bytes = random().protobufBytes()
      guard !bytes.isEmpty else { continue }
      for _ in 0..<Int.random(in: 1...3) {
        switch Int.random(in: 0..<4) {
        case 0: bytes[Int.random(in: 0..<bytes.count)] = UInt8.random(in: 0...255)
        case 1: bytes.remove(at: Int.random(in: 0..<bytes.count))
        case 2: bytes.insert(UInt8.random(in: 0...255), at: Int.random(in: 0...bytes.count))
        default: bytes += random().protobufBytes().prefix(Int.random(in: 0..<50))
        }
        if bytes.isEmpty { break }
      }
      guard let fast = read(bytes) else { continue }
      agreed += 1
      let slow = bytes.withUnsafeBytes { CallMeta(metadata: $0) }
      #expect(slow == fast, "\(bytes)")
    }
    #expect(agreed > 1_000)
  }

  @Test func whatIsUnusualIsLeftToProtobuf() {
    let method = CallMeta(method: "a/b").protobufBytes()
    #expect(read(method + method) == nil, "a field twice")
    #expect(read(method + [0xF8, 0x07, 1]) == nil, "an unknown field")
    #expect(read(CallMeta(method: "ü").protobufBytes()) == nil, "text beyond ASCII")
    #expect(read([0x0A, 5, 0x61]) == nil, "cut off")
    #expect(read([0x10, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]) == nil, "a number of more than 32 bits")
    #expect(read([0x0B, 0x0C]) == nil, "a group")
    #expect(read([0x00]) == nil, "field 0")
    #expect(read([0x2A, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00]) == nil, "a length of more bytes than it needs")
    #expect(read([]) == CallMeta())
  }

  @Test func aMethodSeenBeforeIsTheSameString() {
    var memory = CallMetaReader.Memory()
    let name = "a.long.package.name.v1.Service/Method"
    for _ in 0..<3 {
      let bytes = CallMeta(method: name).protobufBytes()
      #expect(bytes.withUnsafeBytes { CallMetaReader.read($0, &memory) }?.method == name)
    }
    let other = CallMeta(method: name + "2").protobufBytes()
    #expect(other.withUnsafeBytes { CallMetaReader.read($0, &memory) }?.method == name + "2")
  }
}
