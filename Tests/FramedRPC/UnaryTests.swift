import FramedCore
import FramedMessages
import FramedRPC
import Testing

@Suite struct UnaryTests {
  @Test(arguments: [EchoMethods.echo, EchoMethods.echoSync])
  func echoesMessagesOfEverySize(_ method: MethodDescriptor) async throws {
    try await withServer { _, _, address in
      let client = try await connect(address)
      for size in [0, 1, 300, 16_000, 16_384, 70_000, 271_828, 4_000_000] {
        let request = Header(key: "k", value: bytes(size))
        let response: Header = try await client.unary(method, request)
        #expect(response == request, "\(size) bytes")
      }
      await client.close()
    }
  }

  @Test func thousandCallsAtOnceEachGetTheirOwnAnswer() async throws {
    try await withServer { _, _, address in
      let client = try await connect(address)
      try await withThrowingTaskGroup(of: Bool.self) { group in
        for i in 0..<1_000 {
          group.addTask {
            let method = i % 2 == 0 ? EchoMethods.echo : EchoMethods.echoSync
            let request = Header(key: "\(i)", value: bytes(i * 7, seed: UInt8(i % 251)))
            let response: Header = try await client.unary(method, request)
            return response == request
          }
        }
        for try await same in group { #expect(same) }
      }
    }
  }

  @Test func callsBeyondTheServersStreamsWaitForOne() async throws {
    var limits = ServerLimits()
    limits.maxStreams = 100
    try await withServer(limits: limits) { _, _, address in
      let client = try await connect(address)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for i in 0..<500 {
          group.addTask {
            let response: Header = try await client.unary(EchoMethods.echo, Header(key: "\(i)"))
            #expect(response.key == "\(i)")
          }
        }
        try await group.waitForAll()
      }
    }
  }

  @Test func deadlineEndsTheCallOnBothSides() async throws {
    try await withServer { _, service, address in
      let client = try await connect(address)
      let start = ContinuousClock.now
      let error = await #expect(throws: RPCError.self) {
        let _: Header = try await client.unary(
          EchoMethods.hang, Header(), options: CallOptions(timeout: .milliseconds(150)))
      }
      #expect(error?.code == .deadlineExceeded)
      #expect(ContinuousClock.now - start >= .milliseconds(150))
      try await service.running.wait { $0 == 0 }
      #expect(service.cancelled.current == [.deadlineExceeded])
    }
  }

  @Test func cancellingTheTaskReachesTheHandler() async throws {
    try await withServer { _, service, address in
      let client = try await connect(address)
      let task = Task { () -> Header in try await client.unary(EchoMethods.hang, Header()) }
      try await service.running.wait { $0 == 1 }
      task.cancel()
      let error = await #expect(throws: RPCError.self) { try await task.value }
      #expect(error?.code == .cancelled)
      try await service.running.wait { $0 == 0 }
      #expect(service.cancelled.current == [.cancelled])
      // The connection lives on.
      let response: Header = try await client.unary(EchoMethods.echo, Header(key: "after"))
      #expect(response.key == "after")
    }
  }

  @Test func clientGoneCancelsTheHandler() async throws {
    try await withServer { _, service, address in
      let client = try await connect(address)
      let task = Task { () -> Header in try await client.unary(EchoMethods.hang, Header()) }
      try await service.running.wait { $0 == 1 }
      await client.close()
      await #expect(throws: RPCError.self) { try await task.value }
      try await service.running.wait { $0 == 0 }
    }
  }

  @Test func everyStatusArrivesWithItsDetails() async throws {
    try await withServer { _, _, address in
      let client = try await connect(address)
      for code in StatusCode.allCases where code != .ok {
        let error = await #expect(throws: RPCError.self) {
          let _: Header = try await client.unary(
            EchoMethods.fail, Header(key: "\(code.rawValue)", value: Array("grüße \(code)".utf8)))
        }
        #expect(error?.code == code)
        #expect(error?.message == "grüße \(code)")
        #expect(error?.details == [ErrorDetail(typeURL: "type.googleapis.com/test", value: [1, 2, 3])])
        #expect(error?.trailers == [MetadataEntry(key: "k", text: "v")])
        #expect(error?.retryAfter == .milliseconds(250))
      }
    }
  }

  @Test func unknownMethodIsUnimplemented() async throws {
    try await withServer { _, _, address in
      let client = try await connect(address)
      let error = await #expect(throws: RPCError.self) {
        let _: Header = try await client.unary(MethodDescriptor(name: "no.Such/Method"), Header())
      }
      #expect(error?.code == .unimplemented)
    }
  }

  @Test func contextCarriesWhatTheCallerSent() async throws {
    try await withServer { _, _, address in
      let client = try await connect(address)
      var options = CallOptions(timeout: .seconds(5), requestID: bytes(16))
      options.metadata = [MetadataEntry(key: "a", text: "1"), MetadataEntry(key: "a", text: "2")]
      options.traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
      let response: Header = try await client.unary(EchoMethods.whoami, Header(), options: options)
      let lines = String(decoding: response.value, as: UTF8.self).split(separator: "\n").map(String.init)
      #expect(
        lines == [
          TestCredentials.clientURI, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "16", "a=1", "a=2",
          "true",
        ])
    }
  }

  @Test func authorizerIsAskedBeforeTheHandler() async throws {
    struct Nobody: Authorizer {
      func authorize(_ principal: Principal, _ method: MethodDescriptor) throws(RPCError) {
        throw RPCError(.permissionDenied, "\(principal.uri) may not \(method.name)")
      }
    }
    try await withServer(authorizer: Nobody()) { _, service, address in
      let client = try await connect(address)
      let error = await #expect(throws: RPCError.self) {
        let _: Header = try await client.unary(EchoMethods.hang, Header())
      }
      #expect(error?.code == .permissionDenied)
      #expect(error?.message == "\(TestCredentials.clientURI) may not framedrpc.test.Echo/Hang")
      #expect(service.running.current == 0)
    }
  }

  @Test func messageOverTheServersLimitIsRefusedAndTheConnectionLives() async throws {
    var limits = ServerLimits()
    limits.maxMessage = 1 << 20
    try await withServer(limits: limits) { _, _, address in
      let client = try await connect(address)
      let error = await #expect(throws: RPCError.self) {
        let _: Header = try await client.unary(EchoMethods.echo, Header(value: bytes(1 << 20)))
      }
      #expect(error?.code == .resourceExhausted)
      let response: Header = try await client.unary(EchoMethods.echo, Header(key: "after"))
      #expect(response.key == "after")
    }
  }
}
