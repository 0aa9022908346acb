internal import Credentials
internal import Foundation
internal import FramedRPC

/// Bearer tokens as the transport asks for them.
struct BearerTokens: TokenVerifier {
  let file: TokensFile

  func identity(of token: String) -> TokenIdentity? {
    file[token].map {
      TokenIdentity(principal: Principal(uri: $0.principal), expiry: Int64($0.expiresAt.timeIntervalSince1970))
    }
  }
}
