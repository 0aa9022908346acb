import KindsMessages
import ProtobufFacade
import Testing

@Suite("Hostile input")
struct HostileInputTests {
  private func reason(_ bytes: [UInt8], limits: DecodingLimits = .default) -> ProtobufDecodingError.Reason? {
    do {
      _ = try Kinds(protobuf: bytes, limits: limits)
      return nil
    } catch {
      return error.reason
    }
  }

  /// `depth` messages in a Kinds: tree { next { next … } }.
  private func nested(_ depth: Int) -> [UInt8] {
    var heads: [[UInt8]] = []
    var size = 0
    for level in 0..<depth {
      let head = Wire.key(level == depth - 1 ? 6 : 2, 2) + Wire.varint(UInt64(size))
      heads.append(head)
      size += head.count
    }
    return heads.reversed().flatMap { $0 }
  }

  @Test("nesting is accepted to the limit and not beyond")
  func depth() {
    #expect(reason(nested(99)) == nil)
    #expect(reason(nested(100)) == .tooDeep)
    #expect(reason(nested(3), limits: DecodingLimits(maximumDepth: 4)) == nil)
    #expect(reason(nested(4), limits: DecodingLimits(maximumDepth: 4)) == .tooDeep)
  }

  @Test("a hundred thousand levels are refused, not followed: also on a task's small stack")
  func extremeDepth() async {
    let bytes = nested(100_000)
    #expect(reason(bytes) == .tooDeep)
    let inTask = await Task.detached { (try? Kinds(protobuf: bytes)) == nil }.value
    #expect(inTask)
  }

  @Test(
    "input that grows a hundredfold in memory is refused",
    arguments: [
      // lists { inners {} inners {} … }, lists { strings "" … }, maps { strings {} … }, unknown varints, choice { another {} } in lists
      (field: 3, element: Wire.bytes(17, [])), (field: 3, element: Wire.bytes(14, [])),
      (field: 4, element: Wire.bytes(1, [])),
      (field: 3, element: Wire.key(100, 0) + [1]), (field: 6, element: Wire.bytes(3, [])),
      (field: 6, element: Wire.bytes(4, [])),
    ])
  func amplification(field: Int, element: [UInt8]) {
    let content = Array(repeatElement(element, count: 1 << 18).joined())
    let bytes = Wire.bytes(field, content)
    #expect(reason(bytes) == .overMemoryLimit)
    // The same with room enough is no error of the format.
    #expect(reason(bytes, limits: DecodingLimits(memoryPerByte: 200)) == nil)
  }

  @Test("every prefix of a message is refused or decoded, never followed past its end")
  func truncation() throws {
    for example in Example.all {
      let bytes = example.message.protobufBytes()
      for count in bytes.indices where count > 0 {
        // In memory of exactly that size.
        let prefix = Array(bytes.prefix(count))
        if let found = reason(prefix) { #expect(found == .malformed) }
      }
    }
  }

  @Test(
    "malformed wire format",
    arguments: [
      [0x00], [0x07, 0], [0x80], Array(repeating: 0xff, count: 11), [0x0a], [0x0a, 0x05, 0],
      [0x0a, 0x80, 0x80, 0x80, 0x80, 0x10],
      [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], [0xf8, 0xff, 0xff, 0xff, 0x1f, 0],
      // plain.a_double and a_float too short, packed fixed32 of 3 bytes, packed varint cut off, varint of 11 bytes
      Wire.bytes(1, [0x09, 0, 0, 0]), Wire.bytes(1, [0x15, 0]), Wire.bytes(3, Wire.bytes(9, [1, 2, 3])),
      Wire.bytes(3, Wire.bytes(3, [0x80])),
      Wire.bytes(1, [0x18] + Array(repeating: 0x80, count: 10) + [1]),
    ] as [[UInt8]])
  func malformed(_ bytes: [UInt8]) {
    #expect(reason(bytes) == .malformed)
  }

  @Test("errors say where", arguments: [0, 7])
  func place(padding: Int) throws {
    let before = Wire.bytes(1, Wire.bytes(14, Array(repeating: 0x61, count: padding)))
    let bytes = before + Wire.bytes(2, Wire.bytes(14, [0xff]))
    let error = #expect(throws: ProtobufDecodingError.self) { try Kinds(protobuf: bytes) }
    #expect(
      error
        == ProtobufDecodingError(
          reason: .invalidUTF8, message: "kinds.v1.Optionals", field: 14, offset: before.count + 2))
    #expect(error?.description == "INVALID_UTF8 in field 14 of kinds.v1.Optionals at byte \(before.count + 2)")
  }

  @Test("mutated messages are decoded or refused, and what is decoded can be encoded")
  func mutations() throws {
    var random = SplitMix(seed: 20_261_123)
    let seeds = Example.all.map { $0.message.protobufBytes() }.filter { !$0.isEmpty }
    var decoded = 0
    for round in 0..<5_000 {
      var bytes = seeds[round % seeds.count]
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let at = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 2: bytes.insert(UInt8.random(in: 0...255, using: &random), at: at)
        default: if bytes.count > 1 { bytes.remove(at: at) }
        }
      }
      if let message = try? Kinds(protobuf: bytes) {
        decoded += 1
        // By bytes: a mutated number may be NaN, which equals nothing.
        let encoded = message.protobufBytes()
        #expect(try Kinds(protobuf: encoded).protobufBytes() == encoded)
      }
    }
    #expect(decoded > 250)
  }
}

/// Steele, Lea and Flood's SplitMix64: the same numbers in every run.
struct SplitMix: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
