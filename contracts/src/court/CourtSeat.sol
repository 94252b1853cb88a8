// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IArbitrable, IArbitrator, IEvidence} from "./IArbitration.sol";
import {Messages, Ruling as Message} from "../Messages.sol";
import {BUYER, DISPUTED, SELLER, Slot} from "../Slots.sol";
import {Terms, TermsLib} from "../Terms.sol";

interface IStated {
    function stateOf(Terms calldata t) external view returns (uint256 packed, bool settled);
}

/// @title CourtSeat
/// @notice A seat whose word is the ruling of an outside court (ERC-792). Terms name it like any other arbiter: as one
/// of several, or alone. Somebody pays the court to open a case for one round of a disputed escrow; when the court has
/// ruled, this contract confirms (ERC-1271) the one ruling message that follows from it, and anyone submits that to
/// `Escrow.rule`. It never calls `Escrow` to change anything and keeps no money; no owner, no upgrade.
///
/// Rulings of the court: 1 all to the buyer, 2 all to the seller, 0 (refused) the fallback split of the terms.
///
/// What happens to the escrow meanwhile does not hold up the court: a case of an escrow that was settled, or whose
/// round is over (dispute withdrawn, appeal on `Escrow`), is ruled and merely has no effect, because `Escrow` refuses
/// the message. The fee is then spent.
contract CourtSeat is IArbitrable, IEvidence, ReentrancyGuardTransient {
    using TermsLib for Terms;

    /// @notice One case before the court: one round of one escrow.
    struct Case {
        bytes32 id;
        uint96 amount;
        uint40 deadline;
        /// When the court ruled; zero: not yet.
        uint40 ruledAt;
        uint16 fallbackBps;
        uint8 round;
        uint8 ruling;
        /// A bit per side that has appealed to the court.
        uint8 appealed;
    }

    uint256 public constant CHOICES = 2;
    uint256 public constant BUYER_WINS = 1;
    uint256 public constant SELLER_WINS = 2;
    uint256 public constant MAX_APPEAL_WINDOW = 30 days;
    /// As on `Escrow`: whoever loses could otherwise trade the ruling, by a late appeal, for the fallback.
    uint256 public constant APPEAL_MARGIN = 14 days;
    /// What the court's pages show of every case; published once, so whoever opens a case can not misstate it.
    uint256 public constant META_EVIDENCE = 0;

    bytes32 private constant RULING_NAME = keccak256("Holdfast court ruling");
    bytes4 private constant MAGIC = 0x1626ba7e;

    address public immutable escrow;
    IArbitrator public immutable arbitrator;
    /// @notice Seconds between the court's ruling and the first instant at which it may be executed, for an appeal on
    /// `Escrow`. Zero where the court hears appeals itself.
    uint256 public immutable appealWindow;
    /// @notice What the court is told with every case, such as which of its chambers.
    bytes public extraData;

    mapping(uint256 disputeID => Case) private _cases;
    /// The court's number of the case plus one; zero: none was opened.
    mapping(bytes32 id => mapping(uint256 round => uint256)) private _numbers;

    event CaseOpened(
        bytes32 indexed id, uint256 indexed disputeID, address by, uint256 round, uint256 deadline
    );
    event CourtAppealed(bytes32 indexed id, uint256 indexed disputeID, address by, uint8 side);

    error BadCourt();
    error NotASeat();
    error NotDisputed();
    error NotAllowed();
    error NotArbitrator();
    error AlreadyOpened(uint256 disputeID);
    error NoCase();
    error AlreadyRuled();
    error NotRuled();
    error WrongRuling();
    error TooEarly();
    error TooLate();
    error TooMany();
    error FeeTooLow(uint256 cost);
    error RefundFailed();

    constructor(
        address escrow_,
        IArbitrator arbitrator_,
        uint256 appealWindow_,
        bytes memory extraData_,
        string memory metaEvidence
    ) {
        if (address(arbitrator_).code.length == 0 || appealWindow_ > MAX_APPEAL_WINDOW) revert BadCourt();
        escrow = escrow_;
        arbitrator = arbitrator_;
        appealWindow = appealWindow_;
        extraData = extraData_;
        emit MetaEvidence(META_EVIDENCE, metaEvidence);
    }

    // ---- before the ruling ---------------------------------------------------------------------------------

    /// @notice Opens the court's case for the present round of a disputed escrow, and pays for it. Anyone, because
    /// either party could at any instant, and nothing of the case is up to who opens it. Once per round. What exceeds
    /// `arbitrationCost` comes back. `signers` and `threshold` are those of the terms: nobody pays for a court that
    /// the terms do not name.
    function open(Terms calldata t, address[] calldata signers, uint256 threshold)
        external
        payable
        nonReentrant
        returns (uint256 disputeID)
    {
        (bytes32 id, Slot s) = _disputed(t);
        if (!_isSeat(t, signers, threshold)) revert NotASeat();
        uint256 round = s.round();
        if (_numbers[id][round] != 0) revert AlreadyOpened(_numbers[id][round] - 1);
        uint256 deadline = s.stamp() + t.arbitration();
        if (block.timestamp > deadline) revert TooLate();
        uint256 cost = arbitrator.arbitrationCost(extraData);
        if (msg.value < cost) revert FeeTooLow(cost);
        disputeID = arbitrator.createDispute{value: cost}(CHOICES, extraData);
        if (_cases[disputeID].id != 0) revert AlreadyOpened(disputeID);
        _numbers[id][round] = disputeID + 1;
        Case storage c = _cases[disputeID];
        c.id = id;
        c.amount = uint96(t.amount());
        c.deadline = uint40(deadline);
        c.fallbackBps = uint16(t.fallbackBps());
        c.round = uint8(round);
        emit Dispute(arbitrator, disputeID, META_EVIDENCE, uint256(id));
        emit CaseOpened(id, disputeID, msg.sender, round, deadline);
        _giveBack(msg.value - cost);
    }

    /// @notice Evidence for the court: buyer, seller or operator, while the escrow is disputed. All rounds of an escrow
    /// are one group (its id), so that a later case sees what was said in an earlier one.
    function submitEvidence(Terms calldata t, string calldata evidence) external {
        (bytes32 id,) = _disputed(t);
        bool byOperator = msg.sender == t.operator() && msg.sender != address(0);
        if (msg.sender != t.buyer() && msg.sender != t.seller() && !byOperator) revert NotAllowed();
        emit Evidence(arbitrator, uint256(id), msg.sender, evidence);
    }

    /// @notice Appeals to the court itself, on behalf of `side` (0 buyer, 1 seller), who must be the caller, or the
    /// caller is the operator. Pays `appealCost`; what exceeds it comes back. Once per side and case, and not in the
    /// last 14 days of the arbitration. When the court takes appeals is for the court to say. An appeal on `Escrow`
    /// is another thing: it begins a new round, which needs a new case.
    function appeal(Terms calldata t, uint8 side) external payable nonReentrant {
        (bytes32 id, Slot s) = _disputed(t);
        _requireSpeaksFor(t, side);
        uint256 number = _numbers[id][s.round()];
        if (number == 0) revert NoCase();
        Case storage c = _cases[number - 1];
        if (c.ruledAt != 0) revert AlreadyRuled();
        if (block.timestamp + APPEAL_MARGIN > c.deadline) revert TooLate();
        if (c.appealed & (1 << side) != 0) revert TooMany();
        c.appealed |= uint8(1 << side);
        uint256 cost = arbitrator.appealCost(number - 1, extraData);
        if (msg.value < cost) revert FeeTooLow(cost);
        arbitrator.appeal{value: cost}(number - 1, extraData);
        emit CourtAppealed(id, number - 1, msg.sender, side);
        _giveBack(msg.value - cost);
    }

    // ---- the ruling ----------------------------------------------------------------------------------------

    /// @inheritdoc IArbitrable
    /// @dev Guarded: a court that rules while it creates or hears an appeal would rule on what is not written yet.
    function rule(uint256 disputeID, uint256 ruling) external nonReentrant {
        if (msg.sender != address(arbitrator)) revert NotArbitrator();
        Case storage c = _cases[disputeID];
        if (c.id == 0) revert NoCase();
        if (c.ruledAt != 0) revert AlreadyRuled();
        if (ruling > CHOICES) revert WrongRuling();
        c.ruledAt = uint40(block.timestamp);
        c.ruling = uint8(ruling);
        emit Ruling(arbitrator, disputeID, ruling);
    }

    /// @notice ERC-1271: this is the ruling message that follows from what the court ruled. `signature` is
    /// `abi.encode(disputeID, notBefore)`, with `notBefore` between the end of the appeal window and the deadline:
    /// where several courts sit together, each has a window of its own, and all must confirm one message.
    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        if (signature.length != 64) return 0xffffffff;
        (uint256 disputeID, uint256 notBefore) = abi.decode(signature, (uint256, uint256));
        Case memory c = _cases[disputeID];
        if (c.ruledAt == 0 || notBefore < c.ruledAt + appealWindow || notBefore > c.deadline) return 0xffffffff;
        return _digest(c.id, _message(c, notBefore)) == digest ? MAGIC : bytes4(0xffffffff);
    }

    /// @notice The message to submit to `Escrow.rule`, and for other seats to sign. Amounts are those of the whole
    /// escrow: when parts are decided already, `Escrow` divides what is left in the same proportion.
    function rulingOf(uint256 disputeID, uint256 notBefore) external view returns (Message memory) {
        Case memory c = _cases[disputeID];
        if (c.id == 0) revert NoCase();
        if (c.ruledAt == 0) revert NotRuled();
        if (notBefore < c.ruledAt + appealWindow) revert TooEarly();
        if (notBefore > c.deadline) revert TooLate();
        return _message(c, notBefore);
    }

    // ---- reading -------------------------------------------------------------------------------------------

    /// @notice The case that the court numbers so; all zero when there is none.
    function caseOf(uint256 disputeID) external view returns (Case memory) {
        return _cases[disputeID];
    }

    /// @notice The court's number of the case of one round of an escrow.
    function numberOf(bytes32 id, uint256 round) external view returns (bool opened, uint256 disputeID) {
        uint256 number = _numbers[id][round];
        return number == 0 ? (false, 0) : (true, number - 1);
    }

    // ---- parts ---------------------------------------------------------------------------------------------

    /// A stored slot that says disputed exists only under good terms, on their home chain.
    function _disputed(Terms calldata t) private view returns (bytes32 id, Slot s) {
        (uint256 packed,) = IStated(escrow).stateOf(t);
        s = Slot.wrap(packed);
        if (s.status() != DISPUTED) revert NotDisputed();
        id = t.hash();
    }

    function _isSeat(Terms calldata t, address[] calldata signers, uint256 threshold) private view returns (bool) {
        if (keccak256(abi.encodePacked(threshold, signers)) != t.arbiters) return false;
        for (uint256 i; i < signers.length; ++i) {
            if (signers[i] == address(this)) return true;
        }
        return false;
    }

    function _requireSpeaksFor(Terms calldata t, uint256 side) private view {
        if (side > SELLER) revert NotAllowed();
        if (msg.sender == (side == BUYER ? t.buyer() : t.seller())) return;
        if (msg.sender != t.operator()) revert NotAllowed();
    }

    /// All but `notBefore` follows from the terms, the round and the court's choice, so that seats which agree sign the
    /// same. The odd unit of the fallback split goes to the buyer.
    function _message(Case memory c, uint256 notBefore) private pure returns (Message memory m) {
        if (c.ruling == SELLER_WINS) m.toSeller = c.amount;
        else if (c.ruling != BUYER_WINS) m.toSeller = uint256(c.amount) * c.fallbackBps / TermsLib.BPS;
        m.toBuyer = c.amount - m.toSeller;
        m.rulingHash = keccak256(abi.encode(RULING_NAME, c.ruling));
        m.round = c.round;
        m.notBefore = notBefore;
        m.deadline = c.deadline;
    }

    /// The digest that `Escrow` checks: its domain, on this chain.
    function _digest(bytes32 id, Message memory m) private view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                Messages.DOMAIN_TYPEHASH, Messages.NAME_HASH, Messages.VERSION_HASH, block.chainid, escrow
            )
        );
        bytes32 structHash = keccak256(
            abi.encode(
                Messages.RULING_TYPEHASH,
                id,
                m.toSeller,
                m.toBuyer,
                m.rulingHash,
                m.round,
                m.notBefore,
                m.deadline
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    /// The caller's own coins: when the caller does not take them, nothing of the call happened.
    function _giveBack(uint256 amount) private {
        if (amount == 0) return;
        (bool ok,) = msg.sender.call{value: amount}("");
        if (!ok) revert RefundFailed();
    }
}
