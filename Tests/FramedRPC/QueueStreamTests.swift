import FramedCore
import FramedMessages
import FramedRPC
import Testing

/// QUEUE and BLOCK streams between a real server and a real client.
@Suite struct QueueStreamTests {
  @Test func blockSendsEverythingAtTheCallersPace() async throws {
    try await withServer { _, service, address in
      let client = try await connect(address) { $0.initialCredit = 65_536 }
      // 200 messages of 20 kB: far more than window, queue and sockets hold.
      let watch: WatchStream<Header> = client.stream(EchoMethods.export, Header(key: "200", value: bytes(20_000)))
      var seen = 0
      for try await event in watch {
        if seen == 0 {
          try await Task.sleep(for: .milliseconds(200))
          #expect(service.exported.current < 200)
        }
        #expect(event.message?.key == "\(seen)")
        #expect(event.message?.value.count == 20_000)
        seen += 1
      }
      #expect(seen == 200)
      #expect(service.exported.current == 200)
      await client.close()
    }
  }

  @Test func aCallerThatLeavesEndsTheHandler() async throws {
    try await withServer { _, service, address in
      let client = try await connect(address) { $0.initialCredit = 65_536 }
      let watch: WatchStream<Header> = client.stream(EchoMethods.export, Header(key: "1000000", value: bytes(20_000)))
      for try await _ in watch { break }
      try await service.exportEnds.wait { $0.count == 1 }
      #expect(service.exportEnds.current.first?.code == .cancelled)
      await client.close()
    }
  }

  @Test func queueKeepsEverythingAndThenItsBound() async throws {
    try await withServer { _, service, address in
      let client = try await connect(address) { $0.initialCredit = 65_536 }
      var options = CallOptions()
      options.initialCredit = 4_096
      let watch: WatchStream<Header> = client.stream(EchoMethods.events, Header(), options: options)
      try await service.queues.wait { $0.count == 1 }
      let stream = service.queues.current[0]
      stream.begin(epoch: 2)
      for seq in 1...8 { stream.send(Header(key: "\(seq)", value: bytes(100)), seq: UInt64(seq)) }
      var iterator = watch.makeAsyncIterator()
      for seq in 1...8 {
        let event = try await iterator.next()
        #expect(event?.message?.key == "\(seq)")
        #expect(event?.seq == UInt64(seq))
      }
      // Nobody takes these: the window fills, then the queue.
      for seq in 9...60 { stream.send(Header(key: "\(seq)", value: bytes(3_000)), seq: UInt64(seq)) }
      var last: UInt64 = 8
      do {
        while let event = try await iterator.next() { last = event.seq }
        Issue.record("the stream ended with OK")
      } catch let error as RPCError {
        #expect(error.code == .resourceExhausted)
        #expect(error.details.contains { $0.typeURL.hasSuffix("ErrorInfo") })
        #expect(error.resumeSeq == last)
      }
      await client.close()
    }
  }
}
