// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Base, Plan} from "./Base.sol";
import {Agreeing} from "./Wallets.sol";
import {IPermit2} from "../src/funding/IPermit2.sol";
import {PermitFunder} from "../src/funding/PermitFunder.sol";
import {TestDollar} from "../src/mocks/TestDollar.sol";
import {TestPermit2} from "../src/mocks/TestPermit2.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {Fault, Terms} from "../src/Terms.sol";

/// @notice A payer who only signs: Permit2 through `PermitFunder`, on a token that behaves like USDT.
contract PermitFundingTest is Base {
    uint256 private constant PAYER_KEY = 0xa11ce;
    string private constant WITNESS_TYPE = "bytes32 escrowId)TokenPermissions(address token,uint256 amount)";

    PermitFunder private _funder;
    TestPermit2 private _permit2;

    function setUp() public override {
        super.setUp();
        _funder = new PermitFunder(address(escrow));
        _permit2 = TestPermit2(address(_funder.PERMIT2()));
        vm.etch(address(_permit2), address(new TestPermit2()).code);
        payer = vm.addr(PAYER_KEY);
        usdt.mint(payer, 3 * AMOUNT);
        vm.prank(payer);
        usdt.approve(address(_permit2), type(uint256).max);
    }

    function test_a_signature_of_the_payer_funds_exactly_the_vault() public {
        Terms memory t = terms();
        vm.expectEmit(true, true, true, true, address(_funder));
        emit PermitFunder.Funded(id(t), payer, AMOUNT);
        _fund(t, _signed(t));
        vm.assertEq(balance(vault(t)), AMOUNT);
        vm.assertEq(balance(payer), 2 * AMOUNT);
        vm.assertEq(balance(address(_funder)) + balance(address(_permit2)), 0);
        pay(buyer, t, AMOUNT, 0);
        vm.assertEq(balance(seller), AMOUNT);
    }

    function test_dust_in_the_vault_does_not_stop_funding() public {
        Terms memory t = terms();
        put(t, 1);
        _fund(t, _signed(t));
        vm.assertEq(balance(vault(t)), AMOUNT + 1);
    }

    function test_a_contract_that_signs_can_pay() public {
        Terms memory t = terms();
        Agreeing wallet = new Agreeing();
        usdt.mint(address(wallet), AMOUNT);
        vm.prank(address(wallet));
        usdt.approve(address(_permit2), AMOUNT);
        wallet.agree(_digest(_permit(t), address(_funder), id(t)));
        _funder.fund(t, address(wallet), _deadline(), "");
        vm.assertEq(balance(vault(t)), AMOUNT);
    }

    // ---- nobody redirects the money ------------------------------------------------------------------------

    function test_a_signature_for_one_escrow_does_not_fund_another() public {
        Terms memory t = terms();
        Plan memory p = plan();
        p.seller = stranger;
        bytes memory signature = _signed(t);
        refuses(TestPermit2.InvalidSigner.selector);
        _fund(pack(p), signature);
    }

    function test_a_signature_over_another_witness_is_refused() public {
        Terms memory t = terms();
        bytes memory signature = sign(PAYER_KEY, _digest(_permit(t), address(_funder), keccak256("other")));
        refuses(TestPermit2.InvalidSigner.selector);
        _fund(t, signature);
    }

    function test_nobody_takes_the_money_past_the_funder() public {
        Terms memory t = terms();
        IPermit2.PermitTransferFrom memory permit = _permit(t);
        bytes memory signature = _signed(t);
        bytes32 witness = id(t);
        vm.prank(stranger);
        refuses(TestPermit2.InvalidSigner.selector);
        _permit2.permitWitnessTransferFrom(
            permit,
            IPermit2.SignatureTransferDetails(stranger, AMOUNT),
            payer,
            witness,
            WITNESS_TYPE,
            signature
        );
    }

    function test_the_signature_of_somebody_else_moves_nothing() public {
        Terms memory t = terms();
        bytes memory signature = sign(BUYER_KEY, _digest(_permit(t), address(_funder), id(t)));
        refuses(TestPermit2.InvalidSigner.selector);
        _fund(t, signature);
    }

    function test_a_signature_for_another_amount_or_token_is_refused() public {
        Terms memory t = terms();
        for (uint256 i; i < 3; ++i) {
            IPermit2.PermitTransferFrom memory permit = _permit(t);
            if (i == 0) permit.permitted.amount -= 1;
            if (i == 1) permit.permitted.amount += 1;
            if (i == 2) permit.permitted.token = stranger;
            bytes memory signature = sign(PAYER_KEY, _digest(permit, address(_funder), id(t)));
            refuses(TestPermit2.InvalidSigner.selector);
            _fund(t, signature);
        }
    }

    // ---- once, in time -------------------------------------------------------------------------------------

    function test_a_signature_pays_once_even_when_the_money_is_lost() public {
        Terms memory t = terms();
        bytes memory signature = _signed(t);
        _fund(t, signature);
        refuses(PermitFunder.AlreadyFunded.selector);
        _fund(t, signature);
        usdt.addBlackList(vault(t));
        usdt.destroyBlackFunds(vault(t));
        refuses(TestPermit2.InvalidNonce.selector);
        _fund(t, signature);
        vm.assertEq(balance(payer), 2 * AMOUNT);
    }

    function test_a_second_signature_with_a_later_deadline_does_not_pay_again() public {
        Terms memory t = terms();
        IPermit2.PermitTransferFrom memory later = _permit(t);
        later.deadline += 1 days;
        bytes memory second = sign(PAYER_KEY, _digest(later, address(_funder), id(t)));
        _fund(t, _signed(t));
        usdt.addBlackList(vault(t));
        usdt.destroyBlackFunds(vault(t));
        refuses(TestPermit2.InvalidNonce.selector);
        _funder.fund(t, payer, later.deadline, second);
    }

    function test_a_signature_dies_with_its_deadline() public {
        Terms memory t = terms();
        bytes memory signature = _signed(t);
        uint256 deadline = _deadline();
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(TestPermit2.SignatureExpired.selector, deadline));
        _funder.fund(t, payer, deadline, signature);
        refuses(TestPermit2.InvalidSigner.selector);
        _funder.fund(t, payer, deadline + 1, signature);
        vm.warp(deadline);
        _funder.fund(t, payer, deadline, signature);
        vm.assertEq(balance(vault(t)), AMOUNT);
    }

    // ---- what the payer would only have to get back --------------------------------------------------------

    function test_bad_terms_are_not_funded() public {
        Plan memory p = plan();
        p.seller = p.buyer;
        Terms memory t = pack(p);
        bytes memory signature = _signed(t);
        vm.expectRevert(abi.encodeWithSelector(PermitFunder.BadTerms.selector, Fault.PARTIES));
        _fund(t, signature);
    }

    function test_terms_of_another_network_are_not_funded() public {
        Plan memory p = plan();
        p.chain = block.chainid + 1;
        Terms memory t = pack(p);
        bytes memory signature = _signed(t);
        refuses(PermitFunder.WrongChain.selector);
        _fund(t, signature);
    }

    function test_an_escrow_that_is_over_is_not_funded() public {
        Terms memory t = funded(terms());
        pay(buyer, t, AMOUNT, 0);
        bytes memory signature = _signed(t);
        refuses(PermitFunder.NotOpen.selector);
        _fund(t, signature);
    }

    function test_a_cancelled_escrow_is_not_funded() public {
        Terms memory t = terms();
        vm.prank(seller);
        escrow.cancel(t);
        bytes memory signature = _signed(t);
        refuses(PermitFunder.NotOpen.selector);
        _fund(t, signature);
    }

    function test_an_escrow_that_is_under_way_is_not_funded() public {
        Terms memory t = funded(terms());
        bytes memory signature = _signed(t);
        refuses(PermitFunder.AlreadyFunded.selector);
        _fund(t, signature);
        mark(t);
        refuses(PermitFunder.NotOpen.selector);
        _fund(t, signature);
    }

    function test_an_extended_escrow_can_still_be_funded() public {
        Terms memory t = terms();
        vm.prank(operator);
        escrow.extend(t, START + 21 days);
        _fund(t, _signed(t));
        vm.assertEq(balance(vault(t)), AMOUNT);
    }

    function test_where_less_arrives_nothing_is_taken() public {
        Terms memory t = terms();
        usdt.setParams(10, 49);
        bytes memory signature = _signed(t);
        vm.expectRevert(abi.encodeWithSelector(PermitFunder.CameShort.selector, AMOUNT - AMOUNT / 1_000));
        _fund(t, signature);
        vm.assertEq(balance(payer), 3 * AMOUNT);
    }

    function test_without_the_payers_approval_nothing_moves() public {
        Terms memory t = terms();
        vm.prank(payer);
        usdt.approve(address(_permit2), 0);
        bytes memory signature = _signed(t);
        vm.expectRevert();
        _fund(t, signature);
        vm.assertEq(balance(vault(t)), 0);
    }

    function test_a_token_without_code_is_refused() public {
        Plan memory p = plan();
        p.token = address(0xdead);
        Terms memory t = pack(p);
        bytes memory signature = _signed(t);
        vm.expectRevert();
        _fund(t, signature);
    }

    function _deadline() private pure returns (uint256) {
        return START + 1 days;
    }

    function _fund(Terms memory t, bytes memory signature) private {
        vm.prank(stranger);
        _funder.fund(t, payer, _deadline(), signature);
    }

    function _permit(Terms memory t) private view returns (IPermit2.PermitTransferFrom memory) {
        address token = address(uint160(t.tokenAmount));
        return IPermit2.PermitTransferFrom(
            IPermit2.TokenPermissions(token, t.tokenAmount >> 160), uint256(id(t)), _deadline()
        );
    }

    function _digest(IPermit2.PermitTransferFrom memory permit, address spender, bytes32 witness)
        private
        view
        returns (bytes32)
    {
        return _permit2.digestOf(permit, spender, witness, WITNESS_TYPE);
    }

    function _signed(Terms memory t) private view returns (bytes memory) {
        return sign(PAYER_KEY, _digest(_permit(t), address(_funder), id(t)));
    }
}

/// @notice A payer who only signs, on a token that moves by signature itself (ERC-3009): nothing of ours in between.
contract AuthorizedFundingTest is Base {
    uint256 private constant PAYER_KEY = 0xa11ce;
    bytes32 private constant TYPEHASH = keccak256(
        "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );
    bytes32 private constant CANCEL_TYPEHASH = keccak256("CancelAuthorization(address authorizer,bytes32 nonce)");

    TestDollar private _dollar;

    function setUp() public override {
        super.setUp();
        _dollar = new TestDollar();
        payer = vm.addr(PAYER_KEY);
        _dollar.mint(payer, 3 * AMOUNT);
    }

    function test_a_signature_moves_the_token_to_the_vault_and_the_escrow_goes_on() public {
        Terms memory t = _terms();
        (bytes32 nonce, address to) = (id(t), vault(t));
        _submit(nonce, to, AMOUNT, _deadline(), _signed(t));
        vm.assertEq(_dollar.balanceOf(vault(t)), AMOUNT);
        pay(buyer, t, AMOUNT, 0);
        vm.assertEq(_dollar.balanceOf(seller), AMOUNT);
    }

    function test_an_authorization_pays_an_escrow_once() public {
        Terms memory t = _terms();
        (bytes32 nonce, address to) = (id(t), vault(t));
        _submit(nonce, to, AMOUNT, _deadline(), _signed(t));
        bytes memory again = _signed(t);
        vm.expectRevert(abi.encodeWithSelector(ERC3009.ERC3009UsedAuthorization.selector, payer, nonce));
        _submit(nonce, to, AMOUNT, _deadline(), again);
        bytes memory later = sign(PAYER_KEY, _digest(nonce, to, AMOUNT, _deadline() + 1));
        vm.expectRevert(abi.encodeWithSelector(ERC3009.ERC3009UsedAuthorization.selector, payer, nonce));
        _submit(nonce, to, AMOUNT, _deadline() + 1, later);
        vm.assertEq(_dollar.balanceOf(payer), 2 * AMOUNT);
    }

    function test_another_vault_another_amount_or_another_nonce_is_not_what_was_signed() public {
        Terms memory t = _terms();
        (bytes32 nonce, address to) = (id(t), vault(t));
        bytes memory signature = _signed(t);
        refuses(ERC3009.ERC3009InvalidSignature.selector);
        _submit(nonce, stranger, AMOUNT, _deadline(), signature);
        for (uint256 i; i < 2; ++i) {
            refuses(ERC3009.ERC3009InvalidSignature.selector);
            _submit(nonce, to, i == 0 ? AMOUNT - 1 : AMOUNT + 1, _deadline(), signature);
        }
        bytes32 other = id(terms());
        refuses(ERC3009.ERC3009InvalidSignature.selector);
        _submit(other, to, AMOUNT, _deadline(), signature);
        refuses(ERC3009.ERC3009InvalidSignature.selector);
        _submit(nonce, to, AMOUNT, _deadline() + 1, signature);
        _submit(nonce, to, AMOUNT, _deadline(), signature);
    }

    function test_an_authorization_dies_with_its_deadline() public {
        Terms memory t = _terms();
        (bytes32 nonce, address to) = (id(t), vault(t));
        bytes memory signature = _signed(t);
        vm.warp(_deadline());
        vm.expectRevert(
            abi.encodeWithSelector(ERC3009.ERC3009InvalidAuthorizationTime.selector, 0, _deadline())
        );
        _submit(nonce, to, AMOUNT, _deadline(), signature);
        vm.warp(_deadline() - 1);
        _submit(nonce, to, AMOUNT, _deadline(), signature);
    }

    function test_the_payer_can_take_an_authorization_back() public {
        Terms memory t = _terms();
        (bytes32 nonce, address to) = (id(t), vault(t));
        bytes memory signature = _signed(t);
        bytes32 digest_ = _wrap(keccak256(abi.encode(CANCEL_TYPEHASH, payer, nonce)));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(PAYER_KEY, digest_);
        _dollar.cancelAuthorization(payer, nonce, v, r, s);
        vm.expectRevert(abi.encodeWithSelector(ERC3009.ERC3009UsedAuthorization.selector, payer, nonce));
        _submit(nonce, to, AMOUNT, _deadline(), signature);
    }

    function _terms() private view returns (Terms memory) {
        Plan memory p = plan();
        p.token = address(_dollar);
        return pack(p);
    }

    function _deadline() private pure returns (uint256) {
        return START + 1 days;
    }

    function _signed(Terms memory t) private view returns (bytes memory) {
        return sign(PAYER_KEY, _digest(id(t), vault(t), AMOUNT, _deadline()));
    }

    function _digest(bytes32 nonce, address to, uint256 amount, uint256 before) private view returns (bytes32) {
        return _wrap(keccak256(abi.encode(TYPEHASH, payer, to, amount, 0, before, nonce)));
    }

    function _wrap(bytes32 structHash) private view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Test Dollar"),
                keccak256("2"),
                block.chainid,
                address(_dollar)
            )
        );
        return keccak256(abi.encodePacked(hex"1901", domain, structHash));
    }

    function _submit(bytes32 nonce, address to, uint256 amount, uint256 before, bytes memory signature)
        private
    {
        (bytes32 r, bytes32 s) = abi.decode(signature, (bytes32, bytes32));
        vm.prank(stranger);
        _dollar.transferWithAuthorization(payer, to, amount, 0, before, nonce, uint8(signature[64]), r, s);
    }
}
