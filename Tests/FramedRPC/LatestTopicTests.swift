import FramedCore
import FramedMessages
import FramedRPC
import Testing

@Suite("A value shown to many streams") struct LatestTopicTests {
  private func value(_ number: UInt64) -> EncodedMessage {
    EncodedMessage(Header(key: "k", value: Array("\(number)".utf8)))
  }

  private func number(_ event: WatchEvent<Header>) -> UInt64? {
    event.message.flatMap { UInt64(String(decoding: $0.value, as: UTF8.self)) }
  }

  @Test("streams that come and go while values are published each end with the last one, in order and without a gap")
  func everyStreamEndsWithTheLast() async throws {
    let last: UInt64 = 2_000
    try await withServer { _, service, address in
      let topic = LatestTopic<Header>()
      let clients = [try await connect(address), try await connect(address)]
      var seen: [Task<[UInt64], any Error>] = []
      for index in 0..<60 {
        let watch: WatchStream<Header> = clients[index % 2].stream(EchoMethods.watch, Header())
        seen.append(
          Task {
            var numbers: [UInt64] = []
            for try await event in watch { if let number = number(event) { numbers.append(number) } }
            return numbers
          })
      }
      let streams = try await service.streams.wait { $0.count == 60 }.map(\.1)
      // Half are there from the beginning; the rest come while another thread publishes, ten of all leave early.
      for stream in streams.prefix(30) { topic.add(stream) }
      let publisher = Task.detached {
        for seq in 1...last {
          topic.publish(key: "k", seq: seq, message: value(seq))
          if seq % 50 == 0 { try await Task.sleep(for: .milliseconds(1)) }
        }
      }
      for stream in streams.dropFirst(30) {
        try await Task.sleep(for: .milliseconds(1))
        topic.add(stream)
      }
      for stream in streams.prefix(10) { topic.finish(stream) }
      try await publisher.value
      for stream in streams.dropFirst(10) { topic.finish(stream) }
      var whole = 0
      for task in seen {
        let numbers = try await task.value
        #expect(zip(numbers, numbers.dropFirst()).allSatisfy { $0 < $1 }, "values in order, none twice")
        if numbers.last == last { whole += 1 }
      }
      #expect(whole >= 50)
      try await service.streamEnds.wait { $0.count == 60 && $0.allSatisfy { $0 == .finished } }
    }
  }

  @Test("one that comes after the last value is told it, and a client that is gone leaves the others be")
  func lateAndGone() async throws {
    try await withServer { _, service, address in
      let topic = LatestTopic<Header>()
      topic.publish(key: "k", seq: 7, message: value(7))
      let gone = try await connect(address)
      let stays = try await connect(address)
      let lost: WatchStream<Header> = gone.stream(EchoMethods.watch, Header())
      let kept: WatchStream<Header> = stays.stream(EchoMethods.watch, Header())
      for (_, stream) in try await service.streams.wait({ $0.count == 2 }) { topic.add(stream) }
      var first = lost.makeAsyncIterator()
      #expect(try await first.next().flatMap(number) == 7)
      await gone.close()
      try await service.streamEnds.wait { $0.count == 1 }
      topic.publish(key: "k", seq: 8, message: value(8))
      for (_, stream) in service.streams.current { topic.finish(stream) }
      var numbers: [UInt64] = []
      for try await event in kept { if let number = number(event) { numbers.append(number) } }
      #expect(numbers.last == 8)
    }
  }
}
