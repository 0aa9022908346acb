import FramedCore
import Testing

@Suite struct FrameParserTests {
  static let frames: [(String, [UInt8])] = [
    ("HELLO", build { $0.appendHello([8, 1]) }),
    ("CALL", build { $0.appendFrame(.call, .last, stream: 1, meta: [1, 2, 3], body: [4, 5]) }),
    ("DATA", build { $0.appendFrame(.data, .more, stream: 3, meta: [], body: [4, 5]) }),
    ("END", build { $0.appendFrame(.end, [.noMessage, .refused], stream: 5, meta: [9], body: []) }),
    ("CANCEL", build { $0.appendCancel(.deadline, stream: 7) }),
    ("CREDIT", build { $0.appendCredit(48_000, stream: 9) }),
    ("PING", build { $0.appendPing(0x0102_0304_0506_0708, ack: true) }),
    ("GOAWAY", build { $0.appendGoaway(.calm, lastStream: 11, graceMs: 30_000, reason: "min_ping_ms=10000") }),
  ]

  static func build(_ write: (ByteQueue) -> Void) -> [UInt8] {
    let queue = ByteQueue()
    write(queue)
    return Array(queue.readable)
  }

  private func parse(_ bytes: [UInt8], maxFrame: Int = 16_384) -> FrameParser.Step {
    bytes.withUnsafeBytes { FrameParser.next(in: $0, maxFrame: maxFrame) }
  }

  @Test(arguments: frames.map(\.0)) func isIncompleteAtEverySplitPoint(_ name: String) throws {
    let bytes = try #require(Self.frames.first { $0.0 == name }?.1)
    for split in 0..<bytes.count {
      guard case .incomplete = parse(Array(bytes[..<split])) else {
        Issue.record("\(name) cut at \(split)")
        return
      }
    }
    guard case .frame(let frame, _, let size) = parse(bytes + [0xFF]) else {
      Issue.record("\(name) whole")
      return
    }
    #expect(size == bytes.count)
    #expect(Int(frame.header.length) + FrameHeader.size == size)
  }

  @Test func headerIsBigEndianAsDocumented() {
    let bytes = Self.build {
      $0.appendFrame(.data, [.more, .conflated], stream: 0x0102_0305, meta: [7], body: [8, 9])
    }
    #expect(bytes == [0, 0, 0, 3, 3, 0x12, 0, 1, 1, 2, 3, 5, 7, 8, 9])
  }

  @Test func shapesTheHeaderShowsAreRefusedBeforeAnyPayload() {
    func header(_ type: UInt8, _ length: Int, aux: Int = 0, stream: UInt32 = 0) -> [UInt8] {
      var header = FrameHeader(length: length, type: .hello, aux: aux, stream: stream)
      header.type = type
      var bytes = [UInt8](repeating: 0, count: 12)
      bytes.withUnsafeMutableBytes { buffer in
        if let base = buffer.baseAddress { header.store(to: base) }
      }
      return bytes
    }
    let cases: [([UInt8], GoawayCode)] = [
      (header(2, 16_373, stream: 1), .frameSize), (header(2, 0x0100_0000, stream: 1), .frameSize),
      (header(2, 4, aux: 5, stream: 1), .protocol), (header(3, 4, aux: 5, stream: 1), .protocol),
      (header(4, 4, aux: 5, stream: 1), .protocol), (header(9, 4), .protocol), (header(0, 0), .protocol),
      (header(5, 1, stream: 1), .frameSize), (header(6, 3, stream: 1), .frameSize), (header(6, 4), .flowControl),
      (header(7, 9), .frameSize), (header(7, 8, stream: 1), .protocol), (header(8, 7), .frameSize),
      (header(8, 265), .frameSize), (header(1, 2_049), .frameSize), (header(1, 0, stream: 1), .protocol),
      (header(2, 0), .protocol), (header(2, 0, stream: 4), .protocol), (header(2, 0, stream: 0x8000_0001), .protocol),
    ]
    for (bytes, code) in cases {
      guard case .violation(let violation) = parse(bytes) else {
        Issue.record("\(bytes)")
        continue
      }
      #expect(violation.code == code, "\(bytes)")
    }
  }

  @Test func largestFrameIsAllowed() {
    guard
      case .incomplete = parse(
        Array(
          Self.build { $0.appendFrame(.call, .last, stream: 1, meta: [], body: [UInt8](repeating: 0, count: 16_372)) }
            .dropLast()))
    else {
      Issue.record("a frame of exactly max_frame")
      return
    }
  }

  @Test func ignorableFramesAreSkippedWhatTheirStreamIs() {
    let bytes: [UInt8] = [0, 0, 0, 1, 0x7F, 0x80, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 42]
    guard case .ignorable(let size) = parse(bytes) else {
      Issue.record("not ignored")
      return
    }
    #expect(size == 13)
  }

  @Test func textIsCutBetweenCharacters() {
    #expect("grüße".utf8Prefix(3) == Array("gr".utf8))
    #expect("grüße".utf8Prefix(4) == Array("grü".utf8))
    #expect("short".utf8Prefix(100) == Array("short".utf8))
  }
}
