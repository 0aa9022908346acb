import Foundation
import FramedCore
import FramedMessages
import FramedRPC
import Testing

@Suite struct LatestTests {
  private func value(_ key: String, _ number: Int, padding: Int = 0) -> Header {
    Header(key: key, value: Array("\(number)".utf8) + [UInt8](repeating: 0x20, count: padding))
  }

  private func number(_ event: WatchEvent<Header>) -> Int? {
    event.message.flatMap { Int(String(decoding: $0.value.prefix { $0 != 0x20 }, as: UTF8.self)) }
  }

  @Test func valuesArriveInOrderAndTheStreamEnds() async throws {
    try await withServer { _, service, address in
      let client = try await connect(address)
      let watch: WatchStream<Header> = client.stream(EchoMethods.watch, Header())
      let (_, stream) = try #require(try await service.streams.wait { $0.count == 1 }.first)
      stream.begin(epoch: 77)
      for i in 1...3 { stream.send(key: "k\(i)", seq: UInt64(i * 10), message: value("k\(i)", i)) }
      stream.finish()
      var events: [WatchEvent<Header>] = []
      for try await event in watch { events.append(event) }
      #expect(events.map(\.seq) == [10, 20, 30])
      #expect(events.map { $0.message?.key } == ["k1", "k2", "k3"])
      #expect(events.map(\.epoch) == [77, 77, 77])
      #expect(events.last?.safeSeq == 30)
      try await service.streamEnds.wait { $0 == [.finished] }
    }
  }

  @Test func safeSeqStaysBelowWhatIsStillPending() async throws {
    try await withServer { _, service, address in
      let client = try await connect(address)
      let watch: WatchStream<Header> = client.stream(EchoMethods.watch, Header())
      let (_, stream) = try #require(try await service.streams.wait { $0.count == 1 }.first)
      stream.send(key: "B", seq: 9, message: value("B", 9))
      stream.send(key: "A", seq: 7, message: value("A", 7))
      stream.finish()
      var events: [(UInt64, UInt64?)] = []
      for try await event in watch { events.append((event.seq, event.safeSeq)) }
      // Unless B left before A was offered, which a burst from one thread does not let happen often: then 9, 9.
      #expect(events.map(\.0) == [9, 7])
      #expect(events.last?.1 == 9)
    }
  }

  /// In a process of its own: what other tests hold in memory is not this one's.
  @Test func stalledReaderSeesOnlyTheNewestAndMemoryStaysFlat() async {
    await #expect(processExitsWith: .success) { try await LatestTests().stalledReader() }
  }

  private func stalledReader() async throws {
    try await withServer { _, service, address in
      let client = try await connect(address) { $0.initialCredit = 65_536 }
      let watch: WatchStream<Header> = client.stream(EchoMethods.watch, Header())
      let (_, stream) = try #require(try await service.streams.wait { $0.count == 1 }.first)
      let before = residentBytes()
      let updates = 60_000
      for i in 1...updates {
        stream.send(key: "k\(i % 3)", seq: UInt64(i), message: value("k\(i % 3)", i, padding: 1_000))
        // A source makes changes one after the other; the loop keeps up with taking them in.
        if i % 1_000 == 0 { await Task.yield() }
      }
      stream.finish()
      var last: [String: Int] = [:]
      var received = 0
      var conflated = 0
      var highest: UInt64 = 0
      for try await event in watch {
        received += 1
        if event.conflated { conflated += 1 }
        highest = max(highest, event.safeSeq ?? 0)
        if let key = event.message?.key { last[key] = number(event) }
      }
      #expect(last == ["k0": updates, "k1": updates - 2, "k2": updates - 1])
      #expect(received < 1_000, "credit allows some sixty unread values and the newest three")
      #expect(conflated >= 3)
      #expect(highest == UInt64(updates))
      // Sixty megabytes went through; what the test process grew by is not of that order.
      #expect(residentBytes() - before < 48 << 20)
    }
  }

  @Test func valuesLargerThanTheWindowArrive() async throws {
    try await withServer { _, service, address in
      let client = try await connect(address) { $0.initialCredit = 65_536 }
      let watch: WatchStream<Header> = client.stream(EchoMethods.watch, Header())
      let (_, stream) = try #require(try await service.streams.wait { $0.count == 1 }.first)
      for i in 1...4 { stream.send(key: "k\(i)", seq: UInt64(i), message: value("k\(i)", i, padding: 300_000)) }
      stream.finish()
      var numbers: [Int?] = []
      for try await event in watch { numbers.append(number(event)) }
      #expect(numbers == [1, 2, 3, 4])
    }
  }

  @Test func snapshotIsFramedByItsFlagAndABookmark() async throws {
    try await withServer { _, service, address in
      let client = try await connect(address)
      let watch: WatchStream<Header> = client.stream(EchoMethods.watch, Header())
      let (_, stream) = try #require(try await service.streams.wait { $0.count == 1 }.first)
      stream.begin(epoch: 5)
      stream.beginSnapshot()
      // In the order of keys, not of numbers: nothing is safe before the end.
      stream.send(key: "a", seq: 40, message: value("a", 1))
      stream.send(key: "b", seq: 12, message: value("b", 2))
      stream.bookmark(safeSeq: 41)
      var events: [WatchEvent<Header>] = []
      var iterator = watch.makeAsyncIterator()
      while events.last?.isBookmark != true { events.append(try #require(try await iterator.next())) }
      stream.send(key: "a", seq: 42, message: value("a", 3), removed: true)
      stream.finish()
      while let event = try await iterator.next() { events.append(event) }
      #expect(events.map(\.snapshot) == [true, false, false, false])
      #expect(events.map(\.isBookmark) == [false, false, true, false])
      #expect(events.map(\.safeSeq) == [0, 0, 41, 42])
      #expect(events.map(\.removed) == [false, false, false, true])
    }
  }

  @Test func whatTwoThreadsSayIsHeardInItsOrder() async throws {
    try await withServer { _, _, address in
      let client = try await connect(address)
      let watch: WatchStream<Header> = client.stream(EchoMethods.watchFromTwo, Header(key: "k"))
      var events: [WatchEvent<Header>] = []
      for try await event in watch { events.append(event) }
      #expect(events.map(\.message?.key) == ["k", nil])
      #expect(events.map(\.snapshot) == [true, false])
      #expect(events.map(\.safeSeq) == [0, 9])
    }
  }

  @Test func resumePointReachesTheHandler() async throws {
    try await withServer { _, service, address in
      let client = try await connect(address)
      let options = CallOptions(resume: Resume(epoch: 3, afterSeq: 99))
      let watch: WatchStream<Header> = client.stream(EchoMethods.watch, Header(), options: options)
      let (context, stream) = try #require(try await service.streams.wait { $0.count == 1 }.first)
      #expect(context.resume == Resume(epoch: 3, afterSeq: 99))
      stream.fail(RPCError(.aborted, "enough"))
      var iterator = watch.makeAsyncIterator()
      let error = await #expect(throws: RPCError.self) { _ = try await iterator.next() }
      #expect(error?.code == .aborted)
      #expect(error?.resumeSeq == 99, "nothing was sent: the place is the one it came with")
    }
  }

  @Test func leavingTheLoopCancelsTheStream() async throws {
    try await withServer { _, service, address in
      let client = try await connect(address)
      let watch: WatchStream<Header> = client.stream(EchoMethods.watch, Header())
      let (context, stream) = try #require(try await service.streams.wait { $0.count == 1 }.first)
      stream.send(key: "k", seq: 1, message: value("k", 1))
      for try await event in watch {
        #expect(event.seq == 1)
        break
      }
      try await service.streamEnds.wait { $0 == [.cancelled(.cancelled)] }
      #expect(context.isCancelled)
    }
  }

  @Test func tooManyPendingKeysAskForASnapshot() async throws {
    try await withServer { _, service, address in
      let client = try await connect(address) { $0.initialCredit = 65_536 }
      let watch: WatchStream<Header> = client.stream(EchoMethods.watch, Header())
      let (_, stream) = try #require(try await service.streams.wait { $0.count == 1 }.first)
      let asked = Watched(0)
      stream.onSnapshotNeeded { asked.update { $0 += 1 } }
      for i in 1...20_000 { stream.send(key: "\(i)", seq: UInt64(i), message: value("\(i)", i, padding: 20)) }
      try await asked.wait { $0 > 0 }
      stream.beginSnapshot()
      stream.send(key: "only", seq: 20_001, message: value("only", 1))
      stream.bookmark(safeSeq: 20_001)
      stream.finish()
      var keysAfterSnapshot: [String] = []
      var inSnapshot = false
      for try await event in watch {
        if event.snapshot { inSnapshot = true }
        if inSnapshot, let key = event.message?.key { keysAfterSnapshot.append(key) }
      }
      #expect(keysAfterSnapshot == ["only"])
    }
  }
}

/// Resident memory of this process.
func residentBytes() -> Int {
  guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
  return (Int(text.split(separator: " ")[1]) ?? 0) * 4_096
}
