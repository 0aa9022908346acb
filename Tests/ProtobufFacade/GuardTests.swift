import CKindsMessages
import CProtobufC
import CProtobufGuard
import KindsMessages
import ProtobufFacade
import Testing

@Suite("Wire guard and arena")
struct GuardTests {
  /// Unpacks in an arena of exactly the size the guard computed.
  private func unpacks(_ bytes: [UInt8], memory: Int) -> Bool {
    var arena = ProtobufArena()
    return withUnsafeMutablePointer(to: &arena) { arena in
      protobuf_arena_init(arena, nil, 0, memory)
      defer { protobuf_arena_end(arena) }
      let allocator = UnsafeMutableRawPointer(arena).assumingMemoryBound(to: ProtobufCAllocator.self)
      return protobuf_c_message_unpack(kinds__v1__kinds__guard().pointee.descriptor, allocator, bytes.count, bytes)
        != nil
    }
  }

  @Test("the guard's estimate is never less than what protobuf-c takes, and not absurdly more")
  func estimateHolds() {
    var random = SplitMix(seed: 7)
    // Many shapes: fields repeated, unknown, packed; 1 to 3,000 members, across the bounds where protobuf-c's notes grow.
    for count in [1, 15, 16, 17, 47, 48, 49, 111, 112, 113, 1_500] {
      for _ in 0..<10 {
        var content: [UInt8] = []
        for _ in 0..<count {
          switch Int.random(in: 0..<6, using: &random) {
          case 0: content += Wire.bytes(17, [])
          case 1: content += Wire.bytes(14, Array(repeating: 0x61, count: Int.random(in: 0..<20, using: &random)))
          case 2: content += Wire.bytes(3, Array(repeating: 1, count: Int.random(in: 0..<9, using: &random)))
          case 3: content += Wire.key(3, 0) + [7]
          case 4: content += Wire.bytes(500, Array(repeating: 1, count: Int.random(in: 0..<40, using: &random)))
          default: content += Wire.bytes(13, [1, 0, 1])
          }
        }
        let bytes = Wire.bytes(3, content)
        let finding = protobuf_guard_check(kinds__v1__kinds__guard(), bytes, bytes.count, 100, .max)
        #expect(finding.reason == PROTOBUF_GUARD_FINE)
        let fits = unpacks(bytes, memory: finding.memory)
        #expect(fits, "\(count) members, \(finding.memory) bytes")
        let fitsInThird = unpacks(bytes, memory: finding.memory / 3)
        #expect(!fitsInThird, "\(count) members, \(finding.memory) bytes")
      }
    }
  }

  @Test("what the guard lets pass, protobuf-c unpacks within the guard's estimate: mutated messages")
  func guardIsStricter() {
    var random = SplitMix(seed: 42)
    let seeds = Example.all.map { $0.message.protobufBytes() }.filter { !$0.isEmpty }
    var fine = 0
    var failures: [[UInt8]] = []
    for round in 0..<10_000 {
      var bytes = seeds[round % seeds.count] + seeds[Int.random(in: 0..<seeds.count, using: &random)]
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      let finding = protobuf_guard_check(kinds__v1__kinds__guard(), bytes, bytes.count, 100, 1 << 24)
      guard finding.reason == PROTOBUF_GUARD_FINE else { continue }
      fine += 1
      if !unpacks(bytes, memory: finding.memory) { failures.append(bytes) }
    }
    #expect(fine > 500)
    #expect(failures.isEmpty)
  }

  @Test("UTF-8 as Swift's own decoder sees it: every pair, and triples and quadruples at the edges")
  func utf8() {
    func agrees(_ bytes: [UInt8]) -> Bool {
      protobuf_guard_is_utf8(bytes, bytes.count) == (String(validating: bytes, as: UTF8.self) != nil)
    }
    var wrong: [[UInt8]] = []
    for a in UInt8.min...UInt8.max {
      if !agrees([a]) { wrong.append([a]) }
      for b in UInt8.min...UInt8.max where !agrees([a, b]) { wrong.append([a, b]) }
    }
    let edges: [UInt8] = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff]
    for a in 0xe0...UInt8.max {
      for b in edges {
        for c in edges {
          if !agrees([a, b, c]) { wrong.append([a, b, c]) }
          for d in edges where !agrees([a, b, c, d]) { wrong.append([a, b, c, d]) }
        }
      }
    }
    // Runs of ASCII are checked eight at a time: a flaw at each place must be found.
    for at in 0..<24 {
      var bytes = [UInt8](repeating: 0x61, count: 24)
      bytes[at] = 0xff
      if !agrees(bytes) { wrong.append(bytes) }
    }
    #expect(wrong.isEmpty)
  }

  @Test("the arena keeps its limit, its alignment and its promise to fail with NULL")
  func arena() {
    var arena = ProtobufArena()
    var first = [UInt64](repeating: 0, count: 16)
    first.withUnsafeMutableBytes { first in
      withUnsafeMutablePointer(to: &arena) { arena in
        let skip = 16 - Int(bitPattern: first.baseAddress) % 16
        protobuf_arena_init(arena, first.baseAddress.map { $0 + skip }, 64, 100_000)
        var handedOut = 0
        var places: Set<Int> = []
        for size in [0, 1, 16, 17, 40, 5_000, 3, 20_000] {
          let memory = protobuf_arena_allocate(arena, size)
          #expect(memory != nil)
          #expect(Int(bitPattern: memory) % 16 == 0)
          #expect(places.insert(Int(bitPattern: memory)).inserted)
          memory?.initializeMemory(as: UInt8.self, repeating: 0x55, count: size)
          handedOut += max(16, (size + 15) & ~15)
        }
        #expect(protobuf_arena_allocate(arena, 100_001 - handedOut) == nil)
        #expect(protobuf_arena_allocate(arena, .max) == nil)
        #expect(protobuf_arena_allocate(arena, 100_000 - handedOut - 15) != nil)
        #expect(protobuf_arena_allocate(arena, 16) == nil)
        protobuf_arena_end(arena)
        #expect(protobuf_arena_allocate(arena, 1) == nil)
      }
    }
  }
}
